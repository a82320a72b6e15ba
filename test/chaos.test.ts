// The judge of mails must see what planted faulty journals show, and a seed must repeat its plan.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { EmailEvidence, MailEvidence } from '../chaos/email/evidence.ts';
import { judgeEmail } from '../chaos/email/judge.ts';
import { addressesIn, headersOf, type JournalEntry } from '../chaos/email/journal.ts';
import { faultOf } from '../chaos/email/mail-server.ts';
import { planMails } from '../chaos/email/plan.ts';
import { Ledger, readLedger } from '../chaos/lib/ledger.ts';
import { planStrikes, type Target } from '../chaos/lib/plan.ts';
import { isClean, type RunResult } from '../chaos/lib/report.ts';

const SEED = 7;
const MESSAGE_ID = '<a@mail>';
const [WITH_BCC] = planMails(SEED, 1);
assert.ok(WITH_BCC !== undefined && WITH_BCC.bcc.length > 0 && WITH_BCC.notify === undefined);
const [FIRST = ''] = WITH_BCC.recipients;
const STEP = { activity: 'openEmail', activityId: '1', runId: 'r', attempt: 1 };

function mail(change: Partial<MailEvidence> = {}): MailEvidence {
  const recipients = WITH_BCC?.recipients.map((address) => ({ address, role: 'to', state: 'sent', smtpCode: 250 })) ?? [];
  const plain = {
    plan: WITH_BCC ?? assert.fail(),
    id: 'a',
    status: 'succeeded',
    messageId: MESSAGE_ID,
    recipients,
    steps: [STEP, STEP],
    notices: [],
  };
  return { ...plain, error: undefined, isCancelAsked: false, cancelledAt: undefined, ...change };
}

function entry(recipient: string, change: Partial<JournalEntry> = {}): JournalEntry {
  return { at: 1_000, outcome: 'accepted', recipient, messageId: MESSAGE_ID, mentioned: [], ...change };
}

const NOTIFYING = { ...WITH_BCC, notify: 'n0@chaos.example' };
const NOTICE = { id: 'n', status: 'succeeded' };
const TOLD = entry('n0@chaos.example', { messageId: '<n@mail>' });

function evidence(change: Partial<EmailEvidence> = {}): EmailEvidence {
  const journal = WITH_BCC?.recipients.map((recipient) => entry(recipient)) ?? [];
  return { mails: [mail()], unacknowledged: [], journal, ...change };
}

/** The whole journal, but for what one recipient got. */
function journalWith(...entries: readonly JournalEntry[]): readonly JournalEntry[] {
  return [...evidence().journal.slice(1), ...entries];
}

function states(state: string): MailEvidence['recipients'] {
  return mail().recipients.map((one) => (one.address === FIRST ? { ...one, state } : one));
}

describe('the judge of mails', () => {
  test('finds nothing where there is nothing', () => {
    const { violations, redone } = judgeEmail(evidence());
    assert.deepEqual(violations, []);
    assert.equal(redone, 1);
  });

  test('counts neither what was put off nor what was dropped as arrived', () => {
    const before = [entry(FIRST, { outcome: 'put_off' }), entry(FIRST, { outcome: 'dropped', messageId: '' })];
    const { violations, figures } = judgeEmail(evidence({ journal: [...before, ...evidence().journal] }));
    assert.deepEqual(violations, []);
    assert.equal(figures['retried'], 1);
  });

  const cancelled = { status: 'cancelled', isCancelAsked: true, cancelledAt: 2_000 };
  const faulty: Readonly<Record<string, readonly [Partial<EmailEvidence>, RegExp]>> = {
    'a mail that is lost': [{ journal: journalWith() }, /is lost/],
    'a mail that came twice': [{ journal: journalWith(entry(FIRST), entry(FIRST, { outcome: 'lost' })) }, /has it 2 times/],
    'a second copy under another Message-ID': [
      { journal: journalWith(entry(FIRST), entry(FIRST, { messageId: '<b@mail>' })) },
      /has it 2 times/,
    ],
    'a Message-ID that the API does not know': [{ journal: journalWith(entry(FIRST, { messageId: '<b@mail>' })) }, /got <b@mail> in place/],
    'a mail for somebody whom nobody named': [{ journal: [...evidence().journal, entry('x@chaos.example')] }, /of no mail/],
    'a bcc that others can read': [{ journal: journalWith(entry(FIRST, { mentioned: [...(WITH_BCC?.bcc ?? [])] })) }, /can read of bcc/],
    'an operation that never ended': [{ mails: [mail({ status: 'running' })] }, /has not ended/],
    'an operation that the API has forgotten': [{ mails: [mail({ status: 'missing', recipients: [] })] }, /is missing/],
    'an operation that failed without a reason': [{ mails: [mail({ status: 'failed' })] }, /is failed/],
    'a success that leaves somebody out': [
      { mails: [mail({ recipients: states('pending') })] },
      /is pending, and the operation has succeeded/,
    ],
    'a cancelled one that nobody cancelled': [{ mails: [mail({ ...cancelled, isCancelAsked: false })] }, /nobody asked/],
    'a mail after a terminal cancelled': [
      { mails: [mail(cancelled)], journal: journalWith(entry(FIRST, { at: 2_001 })) },
      /after the terminal cancelled/,
    ],
    'a mail for a recipient whom the API calls cancelled': [
      { mails: [mail({ ...cancelled, recipients: states('cancelled') })] },
      /has it, and the API says cancelled/,
    ],
    'a recipient of a cancelled mail who is called served': [{ mails: [mail(cancelled)], journal: journalWith() }, /is lost/],
    'an end that was to be told, and no mail about it': [{ mails: [mail({ plan: NOTIFYING })] }, /has 0 mails about it, not 1/],
    'a mail about an end that nobody wanted to be told': [{ mails: [mail({ notices: [NOTICE] })] }, /has 1 mails about it, not 0/],
    'an end that was told to nobody': [{ mails: [mail({ plan: NOTIFYING, notices: [NOTICE] })] }, /was told to nobody/],
    'an end that was told twice': [
      { mails: [mail({ plan: NOTIFYING, notices: [NOTICE] })], journal: [...evidence().journal, TOLD, TOLD] },
      /was told 2 times/,
    ],
    'an end that was told by another mail': [
      { mails: [mail({ plan: NOTIFYING, notices: [NOTICE] })], journal: [...evidence().journal, { ...TOLD, messageId: '<b@mail>' }] },
      /was told by <b@mail>/,
    ],
    'a mail about an end that failed': [
      { mails: [mail({ plan: NOTIFYING, notices: [{ ...NOTICE, status: 'failed' }] })] },
      /the mail about the end .* is failed/,
    ],
    'a mail that was never acknowledged': [{ unacknowledged: [3] }, /mail 3 was never acknowledged/],
    'one operation as the answer to two mails': [{ mails: [mail(), mail()] }, /the answer to 2 mails/],
  };
  for (const [name, [change, expected]] of Object.entries(faulty)) {
    test(`catches ${name}`, () => {
      assert.match(judgeEmail(evidence(change)).violations.join('\n'), expected);
    });
  }

  test('lets a cancelled mail be with those who had it before, and with nobody else', () => {
    const recipients = states('cancelled');
    const { violations } = judgeEmail(evidence({ mails: [mail({ ...cancelled, recipients })], journal: journalWith() }));
    assert.deepEqual(violations, []);
  });

  test('is content with an end that was told once', () => {
    const told = evidence({ mails: [mail({ plan: NOTIFYING, notices: [NOTICE] })], journal: [...evidence().journal, TOLD] });
    assert.deepEqual(judgeEmail(told).violations, []);
  });

  test('names what is unknown, and calls it neither lost nor wrong', () => {
    const unknown = mail({ status: 'unknown', recipients: states('unknown') });
    const verdict = judgeEmail(evidence({ mails: [unknown], journal: journalWith() }));
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.unknown, [`a ${FIRST}`]);
  });
});

describe('plants', () => {
  const folder = join(import.meta.dirname, '../chaos/plants');
  for (const file of readdirSync(folder))
    test(`fit the code: ${file}`, () => {
      execFileSync('git', ['apply', '--check', join(folder, file)], { cwd: join(folder, '../..'), stdio: 'pipe' });
    });
});

describe('a run', () => {
  const result = (redone: number): RunResult => ({
    feature: 'email',
    size: { seed: 1, count: 100, kills: 5 },
    verdict: { violations: [], figures: {}, redone, unknown: [] },
    tookMs: 1,
    figures: {},
  });

  test('in which nothing was done again is not clean', () => {
    assert.equal(isClean(result(1)), true);
    assert.equal(isClean(result(0)), false);
  });
});

describe('a plan', () => {
  const targets: readonly Target[] = ['app', 'postgres', 'temporal', 'supervisor', 'stall'];

  test('is repeated by its seed, and by no other', () => {
    const size = { seed: 3, count: 1000, kills: 25 };
    assert.deepEqual(planStrikes(size, { targets }), planStrikes(size, { targets }));
    assert.notDeepEqual(planStrikes(size, { targets }), planStrikes({ ...size, seed: 4 }, { targets }));
    assert.deepEqual(planMails(3, 50), planMails(3, 50));
    assert.notDeepEqual(planMails(3, 50), planMails(4, 50));
  });

  test('lets fall who must, however short the run, and changes nothing else', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const short = { seed, count: 2, kills: 2 };
      const [dealt, wanted] = [planStrikes(short, { targets }), planStrikes(short, { targets, mustFall: 'app' })];
      assert.ok(wanted.some(({ target }) => target === 'app'));
      if (dealt.some(({ target }) => target === 'app')) assert.deepEqual(wanted, dealt);
      else assert.equal(wanted.filter(({ target }, index) => target === dealt[index]?.target).length, 1);
    }
  });

  test('deals every target as often as every other', () => {
    const strikes = planStrikes({ seed: 1, count: 1000, kills: 25 }, { targets });
    assert.deepEqual(
      targets.map((target) => strikes.filter((strike) => strike.target === target).length),
      [5, 5, 5, 5, 5],
    );
    assert.equal(strikes.filter(({ isBlackoutNext }) => isBlackoutNext).length, 1);
    assert.ok(strikes.every(({ share, ordinal }) => share === ordinal / 26));
    assert.equal(strikes.at(-1)?.postsBefore, 1000);
  });

  test('has a third of the mails with 2 to 5 recipients, bcc among them, and each address once', () => {
    const mails = planMails(1, 300);
    const many = mails.filter(({ recipients }) => recipients.length > 1);
    assert.equal(many.length, 100);
    assert.ok(many.every(({ recipients, bcc, to }) => recipients.length <= 5 && bcc.length > 0 && to.length > 0));
    const all = mails.flatMap(({ recipients }) => recipients);
    assert.equal(new Set(all).size, all.length);
    assert.ok(mails.some(({ cancelAfterMs }) => cancelAfterMs !== undefined) && mails.some(({ delayMs }) => delayMs !== undefined));
    assert.ok(mails.some(({ notify }) => notify !== undefined));
  });

  test('fails transactions in the planned shares, the same for a seed, and none for ever', () => {
    const drawn = Array.from({ length: 4_000 }, (_, index) => faultOf(1, `m${index}-0@chaos.example`, 0));
    const share = (...faults: readonly unknown[]): number => drawn.filter((fault) => faults.includes(fault)).length / drawn.length;
    assert.ok(Math.abs(share('lost') - 0.05) < 0.015);
    assert.ok(Math.abs(share('drop_at_data', 'drop_in_body') - 0.02) < 0.01);
    assert.ok(Math.abs(share('put_off_at_rcpt', 'put_off_after_body') - 0.05) < 0.015);
    assert.deepEqual(
      drawn.map((_, index) => faultOf(1, `m${index}-0@chaos.example`, 0)),
      drawn,
    );
    assert.ok(drawn.every((_, index) => faultOf(1, `m${index}-0@chaos.example`, 4) === undefined));
  });
});

describe('a ledger', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-ledger-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('has on the disk what it says it has, in order', async () => {
    await using ledger = await Ledger.create(join(folder, 'ledger.jsonl'));
    const before = Array.from({ length: 50 }, (_, number) => ({ number }));
    await Promise.all(before.map((record) => ledger.append(record)));
    assert.deepEqual(readLedger(ledger.path), before);
    await ledger.append({ number: 50 });
    assert.deepEqual(readLedger(ledger.path).at(-1), { number: 50 });
  });
});

describe('what a journal reads from a mail', () => {
  test('is its headers, folded or not, and the addresses in it', () => {
    const source = 'Message-ID: <a@b>\r\nTo: m1-0@chaos.example,\r\n m1-1@chaos.example\r\n\r\nHello m2-0@chaos.example\r\n';
    assert.equal(headersOf(source)['message-id'], '<a@b>');
    assert.equal(headersOf(source)['to'], 'm1-0@chaos.example, m1-1@chaos.example');
    assert.deepEqual(addressesIn(source), ['m1-0@chaos.example', 'm1-1@chaos.example', 'm2-0@chaos.example']);
  });
});
