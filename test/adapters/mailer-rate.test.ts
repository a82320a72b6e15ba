import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askedToSlowDown } from '../../src/adapters/mailer-rate.ts';

/** How servers of the world put it. */
const LESS_MAIL: readonly (readonly [reply: string, forMs?: number])[] = [
  ['421 4.3.2 service shutting down'],
  ['421-4.7.28 Our system has detected an unusual rate of\r\n421 4.7.28 unsolicited mail originating from your network.'],
  ['421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred'],
  ['421 Too many concurrent SMTP connections; please try again later.'],
  ['450 4.3.2 Service currently unavailable'],
  ['450 4.7.25 rate limited, wait 5 minutes', 300_000],
  ['450 Too many mails. Try again in 90 seconds.', 90_000],
  ['451 4.7.500 Server busy. Please try again later from [192.0.2.1].'],
  ['451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.'],
  ['451 4.4.5 Mail system congestion'],
  ['451 Ratelimit exceeded, retry after 1h', 3_600_000],
  ['452 4.3.1 Insufficient system storage'],
  ['452 4.5.3 Too many recipients'],
  ['452 try again later'],
  ['454 Throttling failure: Maximum sending rate exceeded.'],
];

const NOT_ABOUT_THE_SERVER = [
  '450 4.2.0 <ada@example.com>: Recipient address rejected: Greylisted',
  '450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n450 4.2.1 prevents additional messages from being delivered.',
  '450 4.1.2 <ada@example.com>: Recipient address rejected: Domain not found',
  '451 4.7.1 Greylisting in action, please come back later',
  '451 4.7.1 Try again later',
  '451 Grey-listed, wait 300 seconds',
  '451 4.3.0 <ada@example.com>: Temporary lookup failure',
  '451 later',
  '451 Message temporarily deferred while the corporate filter looks at it',
  '452 4.2.2 Mailbox full',
  '452 over quota',
  '250 2.0.0 queued at a high rate',
  '550 5.7.1 rate limit exceeded',
  '554 5.7.0 too many messages',
];

describe('what a mail server means by 4xx', () => {
  for (const [reply, forMs] of LESS_MAIL)
    it(`wants less mail: ${reply}`, () => {
      assert.deepEqual(askedToSlowDown(Number(reply.slice(0, 3)), reply), forMs === undefined ? {} : { forMs });
    });

  for (const reply of NOT_ABOUT_THE_SERVER)
    it(`speaks of one mail or one recipient: ${reply}`, () => {
      assert.equal(askedToSlowDown(Number(reply.slice(0, 3)), reply), undefined);
    });
});
