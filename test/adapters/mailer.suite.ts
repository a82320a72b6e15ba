import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { createMailer } from '../../src/adapters/mailer.ts';
import type { Delivery, OutgoingMail } from '../../src/adapters/mailer.ts';
import type { MailTarget } from '../support/mail-targets.ts';

/** A mail with nothing special about it. */
export function sampleMail(change: Partial<OutgoingMail> = {}): OutgoingMail {
  return {
    messageId: `<${crypto.randomUUID()}@nightshift.test>`,
    date: '2026-03-01T08:30:00.000Z',
    from: 'Shop <shop@example.test>',
    to: ['Ann <ann@example.test>'],
    cc: [],
    subject: 'Your order',
    html: '<p>Thank you</p>',
    text: 'Thank you',
    ...change,
  };
}

/** A delivery whose gate opens for a minute. */
export function sampleDelivery(change: Partial<Delivery> = {}): Delivery {
  return {
    mail: sampleMail(),
    recipient: 'ann@example.test',
    beforeBody: async () => performance.now() + 60_000,
    ...change,
  };
}

/** What every mailer does, whatever takes its mail. */
export function testMailer(name: string, start: () => Promise<MailTarget>): void {
  describe(`mailer: ${name}`, () => {
    describeDelivery(start);
    describeGate(start);
    describeContent(start);
  });
}

function describeDelivery(start: () => Promise<MailTarget>): void {
  it('delivers, and what was delivered can be looked up', async () => {
    await using target = await start();
    const mailer = createMailer(target.settings);
    const session = mailer.openSession();
    const delivery = sampleDelivery();
    assert.deepEqual(await session.deliver(delivery), { outcome: 'delivered', code: 250 });
    await session.close();
    const { messageId } = delivery.mail;
    const taken = await target.accepted();
    assert.deepEqual(
      taken.map((mail) => [mail.messageId, mail.recipient]),
      [[messageId, 'ann@example.test']],
    );
    assert.equal((await mailer.lookup?.(messageId, 'ann@example.test')) ?? 'accepted', 'accepted');
    assert.equal((await mailer.lookup?.(messageId, 'nn@example.test')) ?? 'absent', 'absent');
    assert.equal((await mailer.lookup?.('<other@nightshift.test>', 'ann@example.test')) ?? 'absent', 'absent');
  });

  it('gives each of five recipients a transaction of their own and hides bcc', async () => {
    await using target = await start();
    const mailer = createMailer(target.settings);
    const session = mailer.openSession();
    const mail = sampleMail({ to: ['a@example.test', 'b@example.test'], cc: ['c@example.test'] });
    const recipients = ['a@example.test', 'b@example.test', 'c@example.test', 'd@hidden.test', 'e@hidden.test'];
    const reports = await Promise.all(recipients.map((recipient) => session.deliver(sampleDelivery({ mail, recipient }))));
    assert.ok(reports.every((report) => report.outcome === 'delivered'));
    const taken = await target.accepted();
    assert.deepEqual(
      taken.map((one) => one.recipient),
      recipients,
    );
    assert.ok(taken.every((one) => one.messageId === mail.messageId && !one.source.includes('hidden.test')));
    for (const recipient of recipients) {
      assert.equal((await mailer.lookup?.(mail.messageId, recipient)) ?? 'accepted', 'accepted');
    }
  });

  it('is ready when the server answers and not when nobody listens', async () => {
    const target = await start();
    const mailer = createMailer(target.settings);
    await mailer.verify();
    await target[Symbol.asyncDispose]();
    await assert.rejects(mailer.verify());
    assert.deepEqual(await mailer.openSession().deliver(sampleDelivery()), { outcome: 'not_sent', reason: 'connect' });
    assert.equal((await mailer.lookup?.('<any@nightshift.test>', 'ann@example.test')) ?? 'unknown', 'unknown');
  });
}

function describeGate(start: () => Promise<MailTarget>): void {
  const closed: [string, Delivery['beforeBody'], string][] = [
    ['the gate rejects', () => Promise.reject(new Error('no')), 'gate'],
    ['the deadline is in the past', async () => performance.now() - 1, 'timeout'],
    ['the deadline is no number', async () => NaN, 'timeout'],
  ];
  for (const [situation, beforeBody, reason] of closed) {
    it(`sends nothing when ${situation}, and goes on with the next`, async () => {
      await using target = await start();
      const session = createMailer(target.settings).openSession();
      assert.deepEqual(await session.deliver(sampleDelivery({ beforeBody })), { outcome: 'not_sent', reason });
      assert.deepEqual(await target.accepted(), []);
      assert.equal((await session.deliver(sampleDelivery())).outcome, 'delivered');
      assert.equal((await target.accepted()).length, 1);
    });
  }

  it('sends nothing when aborted before it connects or at the gate', async () => {
    await using target = await start();
    const session = createMailer(target.settings).openSession();
    const early = sampleDelivery({ signal: AbortSignal.abort() });
    assert.deepEqual(await session.deliver(early), { outcome: 'not_sent', reason: 'aborted' });
    const stop = new AbortController();
    const beforeBody = async (): Promise<number> => {
      stop.abort();
      return performance.now() + 60_000;
    };
    const late = sampleDelivery({ signal: stop.signal, beforeBody });
    assert.deepEqual(await session.deliver(late), { outcome: 'not_sent', reason: 'aborted' });
    assert.deepEqual(await target.accepted(), []);
  });
}

function describeContent(start: () => Promise<MailTarget>): void {
  it('sends the same bytes again, dots and bare line ends included', async () => {
    await using target = await start();
    const session = createMailer(target.settings).openSession();
    const text = '.\n..dots\r\n.\r\nMAIL FROM:<evil@example.test>\rbare\n';
    const mail = sampleMail({ text });
    for (const _ of [1, 2]) {
      assert.equal((await session.deliver(sampleDelivery({ mail }))).outcome, 'delivered');
    }
    const [first, second, ...others] = await target.accepted();
    assert.equal(others.length, 0);
    assert.equal(first?.source, second?.source);
    assert.match(first?.source ?? '', /\r\n\.\r\n\.\.dots\r\n\.\r\nMAIL FROM:<evil@example\.test>\r\nbare\r\n/);
  });

  it('carries unicode in subject, names and text', async () => {
    await using target = await start();
    const session = createMailer(target.settings).openSession();
    const mail = sampleMail({ subject: 'Grüße – 注文 ✓', from: 'Jörg Süß <shop@example.test>', text: 'für ✓', html: '<p>für</p>' });
    assert.equal((await session.deliver(sampleDelivery({ mail }))).outcome, 'delivered');
    const [{ source } = { source: '' }] = await target.accepted();
    const subject = /^subject: (.*(?:\r\n .*)*)/im.exec(source)?.[1] ?? '';
    const words = [...subject.matchAll(/=\?utf-8\?b\?(.*?)\?=/gi)].map(([, word = '']) => Buffer.from(word, 'base64').toString());
    assert.equal(words.join(''), mail.subject);
    assert.match(source, /^date: Sun, 01 Mar 2026 08:30:00 \+0000/im);
    assert.doesNotMatch(source, /[^\0-\x7f]/);
  });

  it('lets no line break make a header or a command', async () => {
    await using target = await start();
    const session = createMailer(target.settings).openSession();
    const evil = '\r\nX-Evil: yes\r\n\r\n<b>evil</b>';
    const mail = sampleMail({
      subject: `Hi${evil}`,
      from: `"Shop${evil}" <shop@example.test>`,
      to: [`"Ann${evil}" <ann@example.test>`],
      replyTo: `shop@example.test${evil}`,
      headers: { 'X-Campaign': `spring${evil}`, 'X-Name\r\nX-Evil: yes': 'value', Bcc: 'secret@hidden.test' },
    });
    assert.equal((await session.deliver(sampleDelivery({ mail }))).outcome, 'delivered');
    const [{ source } = { source: '' }] = await target.accepted();
    const [head = ''] = source.split('\r\n\r\n', 1);
    assert.doesNotMatch(head, /^x-evil:/im);
    assert.doesNotMatch(head, /hidden\.test/);
    for (const recipient of ['a@example.test\r\nRCPT TO:<b@example.test>', 'a@example.test, b@example.test', '', '<>']) {
      const report = await session.deliver(sampleDelivery({ recipient }));
      assert.equal(report.outcome, 'refused', recipient);
    }
    assert.equal((await target.accepted()).length, 1);
  });
}
