import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import type { RunRef } from '../../src/contracts/pure/operations.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { claimEffects, runEffect, settleEffect, unclaimedEffects } from '../../src/activities/lib/effect.ts';
import { createParty, type EffectWorld, startEffectWorld } from '../support/effect-world.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';
import { PROBE_KIND } from '../support/probe.ts';

const STEP = { step: 'charge', digest: 'd1' };
const BUDGET_MS = 400;

let ground: GroundDatabase;
let databases: Databases;
let store: Store;
let world: EffectWorld;

before(async () => {
  ground = await useDatabase();
  const { databaseUrl: url } = ground;
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 10 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: 'shop', name: 'A shop', actor: { actor: 'system' }, now: new Date() });
  world = await startEffectWorld();
});
after(async () => {
  await world[Symbol.asyncDispose]();
  await databases[Symbol.asyncDispose]();
});

/** An operation that its workflow has opened. */
async function open(retryOf?: string): Promise<RunRef> {
  const actor = { actor: 'key:test' };
  const request = { tenantId: 'shop', kind: PROBE_KIND, input: {}, start: {}, actor, now: new Date() };
  const of = retryOf === undefined ? undefined : await store.operations.get('shop', retryOf);
  const accepted = await store.operations.accept({ ...request, ...(of === undefined ? {} : { retry: { of } }) });
  assert.ok(accepted.outcome === 'created');
  const { id: operationId, root_id: rootId } = accepted.operation;
  const run: RunRef = {
    tenantId: 'shop',
    operationId,
    rootId,
    kind: 'probe',
    attempt: accepted.operation.attempt,
    runId: `run-${operationId}`,
    nowMs: Date.now(),
  };
  assert.ok((await store.lifecycle.open(run)).opened);
  return run;
}

/** One attempt in this process. */
async function attempt(run: RunRef, how: { readonly canAsk?: boolean; readonly answer?: 'ok' | 'no' | 'lost' | 'busy' } = {}) {
  const [effect] = await claimEffects(store.effects, run, [STEP]);
  assert.ok(effect !== undefined);
  const party = createParty(world.url, { key: effect.key, budgetMs: BUDGET_MS, ...how });
  return runEffect({ effects: store.effects, run, party, signal: new AbortController().signal, sleep: delay }, effect);
}

/** The same, of work that has never run. */
async function firstAttempt(run: RunRef, how: { readonly canAsk?: boolean; readonly answer?: 'ok' | 'lost' } = {}) {
  const [effect] = unclaimedEffects(run, [STEP]);
  assert.ok(effect !== undefined);
  const party = createParty(world.url, { key: effect.key, budgetMs: BUDGET_MS, ...how });
  return runEffect({ effects: store.effects, run, party, signal: new AbortController().signal, sleep: delay }, effect);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function stateOf(run: RunRef) {
  return (await store.effects.ofRoot('shop', run.rootId)).map(({ state, generation }) => ({ state, generation }));
}

describe('an effect', () => {
  test('happens once, and later attempts find it done', async () => {
    const run = await open();
    assert.equal(await attempt(run), 'done');
    assert.equal(await attempt(run), 'done');
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('that the other side surely did not take is tried again under the same key', async () => {
    const run = await open();
    assert.equal(await attempt(run, { answer: 'busy' }), 'pending');
    assert.equal(await attempt(run), 'done');
    assert.deepEqual(await stateOf(run), [{ state: 'done', generation: 1 }]);
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('whose reply was lost is asked for, not repeated', async () => {
    const run = await open();
    assert.equal(await attempt(run, { answer: 'lost', canAsk: true }), 'done');
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('that nobody can be asked about ends as unknown, and stays so when run again', async () => {
    const run = await open();
    assert.equal(await attempt(run, { answer: 'lost', canAsk: false }), 'unknown');
    assert.equal(await attempt(run, { canAsk: false }), 'unknown');
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('that was refused is final in its operation, and gets the next generation in a retry', async () => {
    const run = await open();
    assert.equal(await attempt(run, { answer: 'no' }), 'refused');
    assert.equal(await attempt(run), 'refused');
    await store.lifecycle.close({ run, outcome: { status: 'failed', error: { code: 'rejected', message: 'No.', retryable: false } } });
    const again = await open(run.operationId);
    assert.equal(await attempt(again), 'done');
    assert.deepEqual(await stateOf(again), [{ state: 'done', generation: 2 }]);
  });

  test('that is unknown is reconciled by a retry before anything else', async () => {
    const run = await open();
    assert.equal(await attempt(run, { answer: 'lost', canAsk: false }), 'unknown');
    await store.lifecycle.close({ run, outcome: { status: 'unknown', error: { code: 'outcome_unknown', message: '?', retryable: true } } });
    const again = await open(run.operationId);
    assert.equal(await attempt(again, { canAsk: true }), 'done');
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('can not begin once its operation has ended', async () => {
    const run = await open();
    const [effect] = await claimEffects(store.effects, run, [STEP]);
    assert.ok(effect !== undefined);
    assert.ok((await store.lifecycle.close({ run, outcome: { status: 'cancelled' } })).closed);
    assert.equal(await store.effects.begin({ tenantId: 'shop', key: effect.key, fence: effect.fence }, BUDGET_MS), false);
    await assert.rejects(claimEffects(store.effects, run, [STEP]), { type: 'NotOpen' });
    assert.deepEqual(await stateOf(run), [{ state: 'refused', generation: 1 }]);
  });

  test('that is being sent holds back a cancel, and an edited input can not redo a done one', async () => {
    const run = await open();
    const [effect] = await claimEffects(store.effects, run, [STEP]);
    assert.ok(effect !== undefined);
    assert.ok(await store.effects.begin({ tenantId: 'shop', key: effect.key, fence: effect.fence }, 60_000));
    const closing = await store.lifecycle.close({ run, outcome: { status: 'cancelled' } });
    assert.ok(!closing.closed && closing.retryInMs > 50_000);
    await store.effects.end({ tenantId: 'shop', key: effect.key, fence: effect.fence }, { state: 'done', nowMs: Date.now() });
    await assert.rejects(claimEffects(store.effects, run, [{ ...STEP, digest: 'd2' }]), { type: 'AlreadyDone' });
  });

  test('is claimed by one of 20 attempts at once', async () => {
    const run = await open();
    const standings = await Promise.all(Array.from({ length: 20 }, () => attempt(run, { canAsk: true })));
    assert.ok(standings.includes('done'), standings.join());
    assert.equal(world.countOf(run.rootId), 1);
  });
});

describe('an effect of work that has never run', () => {
  test('is claimed as it begins, and later attempts find it done', async () => {
    const run = await open();
    assert.equal(await firstAttempt(run), 'done');
    assert.equal(await attempt(run), 'done');
    assert.deepEqual(await stateOf(run), [{ state: 'done', generation: 1 }]);
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('begins in one of 20 attempts at once', async () => {
    const run = await open();
    const standings = await Promise.all(Array.from({ length: 20 }, () => firstAttempt(run)));
    assert.deepEqual(standings.toSorted(), ['done', ...Array.from({ length: 19 }, () => 'pending')]);
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('does not begin when another attempt has claimed it, or when the operation has ended', async () => {
    const claimed = await open();
    await claimEffects(store.effects, claimed, [STEP]);
    assert.equal(await firstAttempt(claimed), 'pending');
    const ended = await open();
    assert.ok((await store.lifecycle.close({ run: ended, outcome: { status: 'cancelled' } })).closed);
    assert.equal(await firstAttempt(ended), 'pending');
    assert.deepEqual([await stateOf(claimed), await stateOf(ended)], [[{ state: 'claimed', generation: 1 }], []]);
    assert.deepEqual([world.countOf(claimed.rootId), world.countOf(ended.rootId)], [0, 0]);
  });

  test('whose reply was lost is asked for, not repeated', async () => {
    const run = await open();
    assert.equal(await firstAttempt(run, { answer: 'lost', canAsk: true }), 'done');
    assert.equal(world.countOf(run.rootId), 1);
  });

  test('ends together with its operation, and with nothing when somebody else has settled it or another run has the operation', async () => {
    const run = await open();
    const key = `${run.rootId}/${STEP.step}#1`;
    const first = { tenantId: 'shop', rootId: run.rootId, operationId: run.operationId, key, ...STEP };
    assert.ok(await store.effects.beginFirst(first, BUDGET_MS));
    const done = { state: 'done', nowMs: Date.now() } as const;
    const closing = { run, outcome: { status: 'succeeded', result: {} } } as const;
    const strange = await store.lifecycle.closeWithEffect(closing, { tenantId: 'shop', key, fence: 7 }, done);
    assert.deepEqual([strange.fence, strange.closed], [undefined, false]);
    assert.equal((await store.operations.get('shop', run.operationId))?.status, 'running');
    const other = { ...closing, run: { ...run, runId: 'another' } };
    const ended = await store.lifecycle.closeWithEffect(other, { tenantId: 'shop', key, fence: 1 }, done);
    assert.deepEqual([ended.fence, ended.closed], [2, false]);
    assert.equal((await store.operations.get('shop', run.operationId))?.status, 'running');
    assert.deepEqual(await stateOf(run), [{ state: 'done', generation: 1 }]);
  });
});

describe('a process that is stopped by SIGSTOP, overtaken, and goes on', () => {
  for (const stopAt of ['before-begin', 'after-begin'] as const) {
    for (let round = 1; round <= 5; round += 1) {
      test(`${stopAt}, round ${round}: one effect`, async () => {
        const run = await open();
        const first = await startAttempt(run, stopAt);
        await once(first, 'message');
        first.kill('SIGSTOP');
        assert.equal(await attempt(run, { canAsk: true }), 'done');
        assert.equal(world.countOf(run.rootId), 1);
        first.kill('SIGCONT');
        first.send('go on');
        const [code] = await once(first, 'exit');
        assert.equal(code, 0);
        assert.equal(world.countOf(run.rootId), 1);
        assert.deepEqual(await stateOf(run), [{ state: 'done', generation: 1 }]);
      });
    }
  }

  test('settling alone never sends', async () => {
    const run = await open();
    const [effect] = await claimEffects(store.effects, run, [STEP]);
    assert.ok(effect !== undefined);
    await store.effects.begin({ tenantId: 'shop', key: effect.key, fence: effect.fence }, 50);
    const [sending] = await store.effects.ofRoot('shop', run.rootId);
    assert.ok(sending !== undefined);
    const party = createParty(world.url, { key: effect.key, budgetMs: BUDGET_MS, canAsk: true });
    const context = { effects: store.effects, run, party, signal: new AbortController().signal, sleep: delay };
    assert.equal(await settleEffect(context, sending), 'pending');
    assert.equal(world.countOf(run.rootId), 0);
  });
});

/** An attempt in a process of its own, which stops at the named place until it is told to go on. */
async function startAttempt(run: RunRef, stopAt: string): Promise<ChildProcess> {
  const settings = JSON.stringify({ databaseUrl: ground.databaseUrl, worldUrl: world.url, run, stopAt, step: STEP, budgetMs: BUDGET_MS });
  return fork(new URL('../support/effect-attempt.ts', import.meta.url).pathname, [settings]);
}
