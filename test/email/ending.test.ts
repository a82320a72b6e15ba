// How a cancelled mail ends, in every order in which its effects and the cancel can come.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { emailEffects } from '../../src/contracts/email.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { RunRef } from '../../src/contracts/pure/operations.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import type { EffectEnd, EffectRow } from '../../src/store/effects.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';
import { selectRows } from '../support/rows.ts';

const MAIL = { to: ['a@example.com', 'b@example.com'], subject: 'Hello', text: 'It works.' };
const tenantId = 'shop';

let ground: GroundDatabase;
let databases: Databases;
let store: Store;

before(async () => {
  ground = await useDatabase();
  const { databaseUrl: url } = ground;
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 5 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: tenantId, name: 'A shop', actor: { actor: 'system' }, now: new Date() });
});
after(() => databases[Symbol.asyncDispose]());

/** A mail that its workflow has opened, with its two effects claimed. */
async function open(): Promise<{ readonly run: RunRef; readonly effects: readonly EffectRow[] }> {
  const kind = KINDS.email;
  const accepted = await store.operations.accept({
    tenantId,
    kind,
    input: MAIL,
    start: {},
    actor: { actor: 'key:test' },
    now: new Date(),
  });
  assert.ok(accepted.outcome === 'created');
  const { id } = accepted.operation;
  const run = { tenantId, operationId: id, rootId: id, kind: 'email', attempt: 1, runId: `run-${id}`, nowMs: Date.now() };
  assert.ok((await store.lifecycle.open(run)).opened);
  const effects = await store.effects.claim({ tenantId, operationId: id, effects: emailEffects(MAIL, id), nowMs: run.nowMs });
  return { run, effects };
}

async function begin(effect: EffectRow | undefined): Promise<void> {
  assert.ok(effect !== undefined && (await store.effects.begin({ tenantId, key: effect.key, fence: effect.fence }, 30_000)));
}

async function end(effect: EffectRow | undefined, state: EffectEnd['state'], more: Partial<EffectEnd> = {}): Promise<void> {
  assert.ok(effect !== undefined);
  await begin(effect);
  const ref = { tenantId, key: effect.key, fence: effect.fence };
  assert.ok((await store.effects.end(ref, { state, nowMs: Date.now(), ...more })) !== undefined);
}

/** What a workflow asks for whose work was stopped by a cancel. */
function close(run: RunRef) {
  return store.lifecycle.close({ run, outcome: { status: 'cancelled' }, kind: KINDS.email, cancelRequested: true });
}

async function ended(run: RunRef) {
  const closed = await close(run);
  const row = await store.operations.get(tenantId, run.operationId);
  assert.ok(closed.closed && closed.status === row?.status);
  const { messageId: _, ...counts } = row.result as Record<string, unknown>; // written by the kind
  return [row.status, row.cancel_rejected, counts];
}

function cancelsOf({ operationId }: RunRef) {
  const text = "select actor, details from audit_entry where operation_id = $1 and action = 'operation.cancel.requested'";
  return selectRows(ground, text, [operationId]);
}

const NONE = { sent: 0, refused: 0, suppressed: 0, unknown: 0, cancelled: 0 };

describe('a mail whose work was stopped by a cancel', () => {
  test('before anybody got it: cancelled', async () => {
    const { run } = await open();
    assert.deepEqual(await ended(run), ['cancelled', null, { ...NONE, cancelled: 2 }]);
  });

  test('when one has it: cancelled, and the result says who is who', async () => {
    const { run, effects } = await open();
    await end(effects[0], 'done');
    assert.deepEqual(await ended(run), ['cancelled', null, { ...NONE, sent: 1, cancelled: 1 }]);
  });

  test('when all have it, and the worker died that knew: succeeded, too late to cancel', async () => {
    const { run, effects } = await open();
    for (const effect of effects) await end(effect, 'done');
    assert.deepEqual(await ended(run), ['succeeded', 'too_late', { ...NONE, sent: 2 }]);
  });

  test('while the last one is being sent: waits, then succeeds', async () => {
    const { run, effects } = await open();
    await end(effects[0], 'done');
    const last = effects[1];
    assert.ok(last !== undefined);
    await begin(last);
    assert.equal((await close(run)).closed, false);
    await store.effects.end({ tenantId, key: last.key, fence: last.fence }, { state: 'done', nowMs: Date.now() });
    assert.deepEqual(await ended(run), ['succeeded', 'too_late', { ...NONE, sent: 2 }]);
  });

  test('while one is being sent that never arrives: waits, then is cancelled', async () => {
    const { run, effects } = await open();
    const last = effects[1];
    assert.ok(last !== undefined);
    await begin(last);
    assert.equal((await close(run)).closed, false);
    await store.effects.end({ tenantId, key: last.key, fence: last.fence }, { state: 'claimed', nowMs: Date.now() });
    assert.deepEqual(await ended(run), ['cancelled', null, { ...NONE, cancelled: 2 }]);
  });

  test('when the server had refused the rest: failed, too late to cancel', async () => {
    const { run, effects } = await open();
    await end(effects[0], 'done');
    await end(effects[1], 'refused');
    assert.deepEqual(await ended(run), ['failed', 'too_late', { ...NONE, sent: 1, refused: 1 }]);
  });

  test('when nobody can tell of one: unknown', async () => {
    const { run, effects } = await open();
    await end(effects[0], 'unknown');
    assert.deepEqual(await ended(run), ['unknown', 'too_late', { ...NONE, unknown: 1, cancelled: 1 }]);
  });

  test('when one may have it and was to get it once more: unknown', async () => {
    const { run, effects } = await open();
    await end(effects[0], 'claimed', { isRepeated: true });
    assert.deepEqual(await ended(run), ['unknown', 'too_late', { ...NONE, unknown: 1, cancelled: 1 }]);
  });

  test('that other tools asked for, too late: an audit row says so, once; who asked over REST has one already', async () => {
    const { run, effects } = await open();
    for (const effect of effects) await end(effect, 'done');
    await close(run);
    await close(run);
    assert.deepEqual(await cancelsOf(run), [{ actor: 'temporal', details: { rejected: 'too_late' } }]);
    const asked = await open();
    for (const effect of asked.effects) await end(effect, 'done');
    const { operationId: id } = asked.run;
    await store.operations.requestCancel({ tenantId, id, actor: { actor: 'key:test' }, now: new Date(), kind: KINDS.email });
    await close(asked.run);
    assert.deepEqual(await cancelsOf(asked.run), [{ actor: 'key:test', details: {} }]);
  });

  test('asked twice: the first end stays', async () => {
    const { run } = await open();
    const first = await ended(run);
    assert.deepEqual(await ended(run), first);
  });
});
