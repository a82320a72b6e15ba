import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { createMailer } from '../../src/adapters/mailer.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { type Core, startCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { useGround } from '../support/ground.ts';
import { type Slowness, startSlowSmtp } from '../support/slow-smtp.ts';
import { startSmtpScript } from '../support/smtp-script.ts';

const ACTOR = { actor: 'key:test' };
const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const part of open.splice(0).toReversed()) await part[Symbol.asyncDispose]();
});

/** A core whose mail server is slow and can't be asked what arrived. */
async function startWorld(slowness: Slowness) {
  const script = await startSmtpScript();
  const slow = await startSlowSmtp(script.url, slowness);
  const core = await startCore(await useGround(), { mailer: createMailer({ smtpUrl: slow.url, idleTimeoutMs: 50 }) });
  open.push(script, slow, core);
  const tenantId = await core.newTenant();
  const input = { to: ['ada@example.com'], subject: 'Hi', text: 'Hi' };
  const accepted = await core.deps.store.operations.accept({
    tenantId,
    kind: KINDS.email,
    input,
    start: {},
    actor: ACTOR,
    now: new Date(),
  });
  assert.ok(accepted.outcome === 'created');
  return { core, script, tenantId, id: accepted.operation.id };
}

function reaches({ core, tenantId, id }: { core: Core; tenantId: string; id: string }, status: string) {
  return eventually(
    async () => {
      const row = await core.deps.store.operations.get(tenantId, id);
      assert.equal(row?.status, status, `${row?.phase} ${JSON.stringify(row?.error)}`);
      return row;
    },
    { timeoutMs: 20_000 },
  );
}

test('an operation ends when the mail server has answered, not when its only step began', async () => {
  const row = await reaches(await startWorld({ greetingMs: 200 }), 'succeeded');
  assert.ok(row.started_at !== null && row.finished_at !== null);
  const tookMs = row.finished_at.getTime() - row.started_at.getTime();
  assert.ok(tookMs >= 150, `${tookMs} ms`);
});

test('a mail server that takes 3 s to greet gets the mail, once', async () => {
  const world = await startWorld({ greetingMs: 3_000 });
  await reaches(world, 'succeeded');
  assert.equal(world.script.accepted.length, 1);
});

test('one that takes 2.5 s to answer a body, and can not be asked, gets it once, and the operation succeeds', async () => {
  const world = await startWorld({ bodyMs: 2_500 });
  await reaches(world, 'succeeded');
  assert.equal(world.script.accepted.length, 1);
});

test('a cancel while the server has not greeted takes effect', async () => {
  const world = await startWorld({ greetingMs: 60_000 });
  const { core, tenantId, id } = world;
  await reaches(world, 'running');
  const askedAt = performance.now();
  await core.deps.store.operations.requestCancel({ tenantId, id, actor: ACTOR, now: new Date() });
  await reaches(world, 'cancelled');
  assert.ok(performance.now() - askedAt < 15_000);
  assert.equal(world.script.accepted.length, 0);
});
