import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { LinkPool } from '../../src/adapters/mailer-smtp-pool.ts';
import { createMailer } from '../../src/adapters/mailer.ts';
import type { DeliveryReport, MailerSettings, MailSession } from '../../src/adapters/mailer.ts';
import { runMailDev, startMailDev, startTlsServer } from '../support/mail-targets.ts';
import type { MailTarget } from '../support/mail-targets.ts';
import { startSmtpScript } from '../support/smtp-script.ts';
import type { SmtpFault, SmtpScript, SmtpScriptServer } from '../support/smtp-script.ts';
import { sampleDelivery, sampleMail, testMailer } from './mailer.suite.ts';

/** Larger than what the kernels of both sides take while the server doesn't read. */
const LARGE_TEXT = `${'x'.repeat(70)}\n`.repeat(200_000);
/** For those who wait in vain; the others have time, however busy the machine is. */
const SHORT = { replyTimeoutMs: 200 };

testMailer('scripted server', async (): Promise<MailTarget> => {
  const server = await startSmtpScript();
  return {
    settings: { smtpUrl: server.url },
    accepted: async () => server.accepted,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

testMailer('maildev', startMailDev);

describe('mailer: what became of a mail', () => {
  const faults: [SmtpFault['at'], SmtpFault['act'], DeliveryReport][] = [
    ['mail', 451, { outcome: 'deferred', code: 451 }],
    ['mail', 550, { outcome: 'refused', code: 550 }],
    ['mail', 421, { outcome: 'deferred', code: 421, slowDown: {} }],
    ['rcpt', 452, { outcome: 'deferred', code: 452, slowDown: {} }],
    ['rcpt', 550, { outcome: 'refused', code: 550 }],
    ['data', 451, { outcome: 'deferred', code: 451 }],
    ['data', 554, { outcome: 'refused', code: 554 }],
    ['body', 451, { outcome: 'deferred', code: 451 }],
    ['body', 550, { outcome: 'refused', code: 550 }],
    ['body', 421, { outcome: 'deferred', code: 421, slowDown: {} }],
    ['mail', 'drop', { outcome: 'not_sent', reason: 'dropped' }],
    ['rcpt', 'drop', { outcome: 'not_sent', reason: 'dropped' }],
    ['data', 'drop', { outcome: 'not_sent', reason: 'dropped' }],
    ['body', 'drop', { outcome: 'ambiguous', reason: 'dropped' }],
    ['mail', 'stall', { outcome: 'not_sent', reason: 'timeout' }],
    ['data', 'stall', { outcome: 'not_sent', reason: 'timeout' }],
    ['body', 'stall', { outcome: 'ambiguous', reason: 'timeout' }],
  ];
  for (const hasPipelining of [true, false]) {
    for (const [at, act, expected] of faults) {
      const how = hasPipelining ? 'pipelined' : 'step by step';
      it(`${how}, ${act} at ${at} is ${expected.outcome}, and the next mail goes out`, async () => {
        const fault: SmtpScript['fault'] = ({ ordinal }) => (ordinal === 1 ? { at, act } : undefined);
        await using server = await startSmtpScript({ hasPipelining, fault });
        const session = openSession(server, act === 'stall' ? SHORT : {});
        assert.deepEqual(await session.deliver(sampleDelivery()), expected);
        assert.equal(server.accepted.length, expected.outcome === 'ambiguous' ? 1 : 0);
        const next = act === 'stall' ? openSession(server) : session;
        assert.deepEqual(await next.deliver(sampleDelivery()), { outcome: 'delivered', code: 250 });
      });
    }
  }

  for (const [act, reason] of [
    ['drop', 'dropped'],
    ['stall', 'timeout'],
  ] as const) {
    it(`${act} in the middle of the body is not_sent`, async () => {
      await using server = await startSmtpScript({ fault: () => ({ at: 'mid-body', act }) });
      const mail = sampleMail({ text: LARGE_TEXT });
      const session = openSession(server, act === 'stall' ? SHORT : {});
      assert.deepEqual(await session.deliver(sampleDelivery({ mail })), { outcome: 'not_sent', reason });
      assert.ok(server.counts.bodyBytes > 0);
    });
  }

  it('takes a refusal in the middle of the body for what it is', async () => {
    await using server = await startSmtpScript({ fault: () => ({ at: 'mid-body', act: 552 }) });
    const mail = sampleMail({ text: LARGE_TEXT });
    assert.deepEqual(await openSession(server).deliver(sampleDelivery({ mail })), { outcome: 'refused', code: 552 });
  });

  it('delivers a large mail whole', async () => {
    await using server = await startSmtpScript();
    const mail = sampleMail({ text: LARGE_TEXT });
    const report = await openSession(server).deliver(sampleDelivery({ mail }));
    assert.equal(report.outcome, 'delivered');
    assert.ok((server.accepted[0]?.source.length ?? 0) > LARGE_TEXT.length);
  });

  it('takes a greeting that refuses for a failed connection', async () => {
    await using server = await startSmtpScript({ greeting: '554 not today' });
    assert.deepEqual(await openSession(server).deliver(sampleDelivery()), { outcome: 'not_sent', reason: 'connect' });
    await assert.rejects(createMailer({ smtpUrl: server.url }).verify(), /not today/);
  });

  it('takes a greeting that has no time now for a server that wants less mail', async () => {
    await using server = await startSmtpScript({ greeting: '421 4.7.0 too many connections, try again in 30 seconds' });
    const report = await openSession(server).deliver(sampleDelivery());
    assert.deepEqual(report, { outcome: 'deferred', code: 421, slowDown: { forMs: 30_000 } });
  });

  it('gives up connecting to a server that says nothing', async () => {
    await using server = await startSmtpScript({ greeting: '220-and so on' });
    const session = openSession(server, { connectTimeoutMs: 50 });
    assert.deepEqual(await session.deliver(sampleDelivery()), { outcome: 'not_sent', reason: 'connect' });
  });
});

describe('mailer: deadline and abort', () => {
  it('is ambiguous when the deadline passes before the reply', async () => {
    await using server = await startSmtpScript({ fault: () => ({ at: 'body', act: 'stall' }) });
    const session = openSession(server);
    const beforeBody = async (): Promise<number> => performance.now() + 40;
    assert.deepEqual(await session.deliver(sampleDelivery({ beforeBody })), { outcome: 'ambiguous', reason: 'timeout' });
  });

  it('is not_sent when the deadline passes while the server reads slowly', async () => {
    await using server = await startSmtpScript({ fault: () => ({ at: 'mid-body', act: 'stall' }) });
    const session = openSession(server);
    const beforeBody = async (): Promise<number> => performance.now() + 40;
    const mail = sampleMail({ text: LARGE_TEXT });
    assert.deepEqual(await session.deliver(sampleDelivery({ mail, beforeBody })), { outcome: 'not_sent', reason: 'timeout' });
  });

  it('is ambiguous when aborted while it waits for the reply', async () => {
    await using server = await startSmtpScript({ fault: () => ({ at: 'body', act: 'stall' }) });
    const stop = new AbortController();
    server.onBody = () => stop.abort();
    const report = await openSession(server).deliver(sampleDelivery({ signal: stop.signal }));
    assert.deepEqual(report, { outcome: 'ambiguous', reason: 'aborted' });
  });

  it('is not_sent when aborted in the middle of the body', async () => {
    await using server = await startSmtpScript({ fault: () => ({ at: 'mid-body', act: 'stall' }) });
    const stop = new AbortController();
    server.onBody = () => stop.abort();
    const delivery = sampleDelivery({ mail: sampleMail({ text: LARGE_TEXT }), signal: stop.signal });
    const report = await openSession(server).deliver(delivery);
    assert.deepEqual(report, { outcome: 'not_sent', reason: 'aborted' });
  });

  it('ignores a gate that opens after the delivery was given up', async () => {
    await using server = await startSmtpScript();
    const gate = Promise.withResolvers<number>();
    const report = await openSession(server, SHORT).deliver(sampleDelivery({ beforeBody: () => gate.promise }));
    assert.deepEqual(report, { outcome: 'not_sent', reason: 'timeout' });
    gate.resolve(performance.now() + 60_000);
    await nextTurn();
    assert.equal(server.counts.bodyBytes, 0);
  });

  it('sends nothing when the process was stopped past its deadline', async () => {
    await using server = await startSmtpScript();
    const child = spawn(process.execPath, ['--input-type=module', '--eval', stoppedSender(server.url)], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    await until(async () => /^State:\s+T/m.test(await readFile(`/proc/${child.pid}/status`, 'utf8')));
    const stoppedAt = performance.now();
    await until(() => performance.now() - stoppedAt > 60);
    child.kill('SIGCONT');
    await once(child, 'exit');
    assert.deepEqual(JSON.parse(output), { outcome: 'not_sent', reason: 'timeout' });
    assert.deepEqual([server.counts.transactions, server.counts.bodyBytes], [1, 0]);
  });
});

describe('mailer: connections', () => {
  it('keeps one connection for 200 deliveries and for the next session', async () => {
    await using server = await startSmtpScript();
    const mailer = createMailer({ smtpUrl: server.url });
    for (const count of [199, 1]) {
      const session = mailer.openSession();
      for (let done = 0; done < count; done += 1) {
        assert.equal((await session.deliver(sampleDelivery())).outcome, 'delivered');
      }
      await session.close();
    }
    assert.deepEqual([server.counts.connections, server.accepted.length], [1, 200]);
  });

  it('keeps its connection after a refused recipient', async () => {
    await using server = await startSmtpScript({ fault: ({ ordinal }) => (ordinal === 1 ? { at: 'rcpt', act: 550 } : undefined) });
    const session = openSession(server);
    await session.deliver(sampleDelivery());
    await session.deliver(sampleDelivery());
    assert.deepEqual([server.counts.connections, server.accepted.length], [1, 1]);
  });

  for (const act of ['drop', 421] as const) {
    it(`tries once more on a fresh connection when a warm one answers with ${act}`, async () => {
      const fault: SmtpScript['fault'] = ({ ordinalOfConnection }) => (ordinalOfConnection === 2 ? { at: 'mail', act } : undefined);
      await using server = await startSmtpScript({ fault });
      const session = openSession(server);
      let gates = 0;
      const beforeBody = async (): Promise<number> => {
        gates += 1;
        return performance.now() + 60_000;
      };
      for (let done = 0; done < 3; done += 1) {
        assert.equal((await session.deliver(sampleDelivery({ beforeBody }))).outcome, 'delivered');
      }
      assert.deepEqual([server.counts.connections, server.accepted.length, gates], [3, 3, 3]);
    });
  }

  it('notices that the server hung up in between', async () => {
    await using server = await startSmtpScript();
    const session = openSession(server);
    await session.deliver(sampleDelivery());
    server.hangUp();
    assert.equal((await session.deliver(sampleDelivery())).outcome, 'delivered');
    assert.deepEqual([server.counts.connections, server.accepted.length], [2, 2]);
  });

  it('switches Nagle off', async () => {
    await using server = await startSmtpScript();
    const { socket, smtp } = await new LinkPool({ smtpUrl: server.url }).connect();
    const option = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'kSetNoDelay');
    assert.ok(option !== undefined && Reflect.get(socket, option) === true);
    smtp.close();
  });

  for (const secure of [true, false]) {
    it(`speaks TLS ${secure ? 'from the start' : 'by STARTTLS'} and logs in`, async () => {
      await using target = await startTlsServer(secure);
      const { smtpUrl } = target.settings;
      const session = createMailer({ smtpUrl, idleTimeoutMs: 10 }).openSession();
      assert.equal((await session.deliver(sampleDelivery())).outcome, 'delivered');
      const rejected = await session.deliver(sampleDelivery({ beforeBody: () => Promise.reject(new Error('no')) }));
      assert.deepEqual(rejected, { outcome: 'not_sent', reason: 'gate' });
      assert.equal((await session.deliver(sampleDelivery())).outcome, 'delivered');
      assert.equal((await target.accepted()).length, 2);
      const stranger = createMailer({ smtpUrl: smtpUrl.replace('pass%3Aword', 'wrong') });
      assert.deepEqual(await stranger.openSession().deliver(sampleDelivery()), { outcome: 'not_sent', reason: 'connect' });
      const distrustful = createMailer({ smtpUrl: smtpUrl.replace(/\?.*/, '') });
      await assert.rejects(distrustful.verify(), /certificate/);
    });
  }
});

describe('mailer: look-up in maildev', () => {
  it('still finds a mail after a restart, and does not believe the file of a broken transaction', async () => {
    const mailDirectory = await mkdtemp(join(tmpdir(), 'maildev-'));
    const [whole, torn] = [sampleMail(), sampleMail()];
    {
      await using target = await runMailDev(mailDirectory);
      await createMailer(target.settings)
        .openSession()
        .deliver(sampleDelivery({ mail: whole }));
      await using script = await startSmtpScript();
      await openSession(script).deliver(sampleDelivery({ mail: torn }));
      await writeFile(join(mailDirectory, 'torn.eml'), script.accepted[0]?.source.slice(0, -20) ?? '');
    }
    await using target = await runMailDev(mailDirectory);
    const { lookup } = createMailer(target.settings);
    assert.equal(await lookup?.(whole.messageId, 'ann@example.test'), 'accepted');
    assert.equal(await lookup?.(torn.messageId, 'ann@example.test'), 'unknown');
    assert.equal(await lookup?.(whole.messageId, 'bob@example.test'), 'absent');
    await rm(mailDirectory, { recursive: true });
  });
});

function openSession(server: SmtpScriptServer, settings: Partial<MailerSettings> = {}): MailSession {
  return createMailer({ smtpUrl: server.url, ...settings }).openSession();
}

/** A program that stops itself, as SIGSTOP from outside would, between its gate and its body. */
function stoppedSender(smtpUrl: string): string {
  return `
    import { createMailer } from '../../src/adapters/mailer.ts';
    const beforeBody = async () => {
      const deadline = performance.now() + 50;
      process.kill(process.pid, 'SIGSTOP');
      return deadline;
    };
    const mail = ${JSON.stringify(sampleMail())};
    const session = createMailer({ smtpUrl: '${smtpUrl}' }).openSession();
    console.log(JSON.stringify(await session.deliver({ mail, recipient: 'ann@example.test', beforeBody })));`;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'the condition did not come true');
    await nextTurn();
  }
}
