import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { sql } from 'kysely';
import { pino } from 'pino';
import { uuidv7 } from 'uuidv7';
import { type Dispatcher, createDispatchBridge } from '../../src/contracts/bridge.ts';
import type { OperationRef } from '../../src/contracts/pure/operations.ts';
import { startDispatcher } from '../../src/control/dispatcher.ts';
import { type Databases, openDatabases, type Tx, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { signalInner, startInner } from '../../src/store/inner-workflows.ts';
import { createDispatchStore } from '../../src/store/system/dispatch.ts';
import { eventually } from '../support/eventually.ts';
import { useDatabase } from '../support/ground.ts';
import { PROBE_KIND } from '../support/probe.ts';

const LEASE_MS = 10_000;

let databases: Databases;
let store: Store;
let bridge: ReturnType<typeof createDispatchBridge>;
let tenants = 0;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 10 });
});
beforeEach(() => {
  bridge = createDispatchBridge();
  store = createStore(databases, bridge);
});
after(() => databases[Symbol.asyncDispose]());

async function newTenant(): Promise<string> {
  tenants += 1;
  const id = `tenant-${tenants}`;
  await store.tenants.put({ id, name: id, actor: { actor: 'system' }, now: new Date() });
  return id;
}

async function accept(tenantId: string, more: object = {}): Promise<string> {
  const accepted = await store.operations.accept({
    tenantId,
    kind: PROBE_KIND,
    input: {},
    start: {},
    actor: { actor: 'key:test' },
    now: new Date(),
    ...more,
  });
  assert.ok(accepted.outcome === 'created');
  return accepted.operation.id;
}

interface Served extends AsyncDisposable {
  readonly dispatcher: Dispatcher & { opened(workflowId: string): void };
  /** Tenants of the starts, in order. */
  readonly started: string[];
  readonly mostAtOnce: () => number;
  /** What the signals carried. */
  readonly payloads: object[];
  setClock(now: Date): void;
}

interface ServeOptions {
  readonly opens?: boolean;
  readonly places?: number;
  readonly signal?: (name: string) => void;
}

/** A dispatcher whose Temporal is the given function; every start is opened at once unless told otherwise. */
function serve(start: (ref: OperationRef) => Promise<void>, options: ServeOptions = {}): Served {
  const started: string[] = [];
  const payloads: object[] = [];
  let now: Date | undefined;
  let unopened = 0;
  let most = 0;
  const workflow = {
    async start(_type: string, { args, workflowId }: { readonly args: [OperationRef]; readonly workflowId: string }) {
      await start(args[0]);
      started.push(args[0].tenantId);
      unopened += 1;
      most = Math.max(most, unopened);
      if (options.opens !== false) {
        setImmediate(() => {
          unopened -= 1;
          dispatcher.opened(workflowId);
        });
      }
      return { eagerlyStarted: true };
    },
    getHandle: () => ({
      async signal(name: string, payload: object) {
        options.signal?.(name);
        payloads.push(payload);
      },
    }),
  };
  const dispatcher = startDispatcher({
    store: store.system.dispatch,
    // Only what the dispatcher calls.
    client: { workflow, withDeadline: (_at: number, call: () => unknown) => call() } as unknown as Client,
    kinds: { probe: PROBE_KIND },
    clock: () => now ?? new Date(),
    log: pino({ level: 'silent' }),
    pollMs: 50,
    maxUnopenedStarts: options.places ?? 8,
    searchAttributesOf: () => [],
    onStart: () => undefined,
  });
  bridge.attach(dispatcher);
  return {
    dispatcher,
    started,
    payloads,
    mostAtOnce: () => most,
    setClock(to) {
      now = to;
    },
    [Symbol.asyncDispose]: () => dispatcher[Symbol.asyncDispose](),
  };
}

async function backlog(): Promise<number> {
  return (await store.system.dispatch.backlog(new Date())).count;
}

/** How many rows of the table this connection has looked at since it last told so. */
async function readOfDispatch(tx: Tx): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select (seq_tup_read + idx_tup_fetch)::integer as count from pg_stat_xact_user_tables where relname = 'dispatch'`.execute(tx);
  return rows[0]?.count ?? 0;
}

describe('the dispatcher', () => {
  test('goes from tenant to tenant: a long backlog of one does not hold up the other', async () => {
    const [busy, quiet] = [await newTenant(), await newTenant()];
    for (let index = 0; index < 60; index += 1) await accept(busy);
    await accept(quiet);
    await using served = serve(async () => undefined, { places: 4 });
    await eventually(() => served.started.length === 61);
    assert.ok(served.started.indexOf(quiet) < 8, `place ${served.started.indexOf(quiet)}`);
  });

  test('takes urgent work first', async () => {
    const tenant = await newTenant();
    const order: string[] = [];
    const ids = {
      5: await accept(tenant, { start: { priority: 5 } }),
      3: await accept(tenant),
      1: await accept(tenant, { start: { priority: 1 } }),
    };
    await using _served = serve(async (ref) => void order.push(ref.operationId), { places: 1 });
    await eventually(() => order.length === 3);
    assert.deepEqual(order, [ids[1], ids[3], ids[5]]);
  });

  test('keeps few unopened starts under way, and every row is delivered once', async () => {
    const tenant = await newTenant();
    await using served = serve(async () => undefined, { places: 8 });
    await Promise.all(Array.from({ length: 200 }, () => accept(tenant)));
    await eventually(() => served.started.length === 200);
    assert.ok(served.mostAtOnce() <= 8, `${served.mostAtOnce()} at once`);
    await eventually(async () => (await backlog()) === 0);
    assert.equal(served.started.length, 200);
  });

  test('begins less at once while callers bring more than can be begun', async () => {
    const tenant = await newTenant();
    await using served = serve(async () => undefined, { places: 18, opens: false });
    const now = new Date();
    served.setClock(now);
    const ids: string[] = [];
    for (let index = 0; index < 40; index += 1) ids.push(await accept(tenant, { now }));
    await eventually(() => served.started.length === 18);
    const open = (id: string | undefined): void => served.dispatcher.opened(`${PROBE_KIND.name}:${tenant}:${id}`);
    // All that one turn takes is counted at once: with eighteen places it would be eighteen. Time stands still, so the last one has just come.
    for (const id of ids.slice(0, 18)) open(id);
    await eventually(() => served.started.length === 18 + 3);
    served.setClock(new Date(now.getTime() + 1_000));
    await eventually(() => served.started.length === 18 + 18);
    for (const id of ids) open(id);
    await eventually(() => served.started.length === ids.length);
  });

  test('with Temporal away work is accepted, and runs when it is back', async () => {
    const tenant = await newTenant();
    const state = { isAway: true };
    await using served = serve(async () => {
      if (state.isAway) throw new Error('away');
    });
    await Promise.all(Array.from({ length: 20 }, () => accept(tenant)));
    assert.equal(served.started.length, 0);
    state.isAway = false;
    await eventually(() => served.started.length === 20, { timeoutMs: 20_000 });
  });

  test('a row whose process died is delivered by another after its lease; what Temporal knows counts as delivered', async () => {
    const tenant = await newTenant();
    await accept(tenant);
    const [held] = await store.system.dispatch.takeDue({ limit: 1, now: new Date(), leaseMs: LEASE_MS });
    assert.ok(held !== undefined);
    await using served = serve(async (ref) => {
      throw new WorkflowExecutionAlreadyStartedError('known', ref.operationId, 'probe');
    });
    assert.equal(await backlog(), 1);
    served.setClock(new Date(Date.now() + LEASE_MS + 1));
    await eventually(async () => (await backlog()) === 0);
  });

  test('messages to one workflow arrive in the order in which they were asked for, also after an outage', async () => {
    const tenant = await newTenant();
    const state = { isAway: true };
    const signals: string[] = [];
    await using served = serve(async () => undefined, {
      signal(name) {
        if (state.isAway) throw new Error('away');
        signals.push(name);
      },
    });
    const id = await accept(tenant);
    await eventually(() => served.started.length === 1);
    await store.lifecycle.open({ tenantId: tenant, operationId: id, rootId: id, kind: 'probe', attempt: 1, runId: 'r', nowMs: Date.now() });
    const asked = ['pause', 'resume', 'pause', 'resume', 'advance', 'pause', 'resume'];
    for (const name of asked)
      await store.operations.signal({
        tenantId: tenant,
        id,
        name,
        payload: { reason: 'free text' },
        actor: { actor: 'key:test' },
        now: new Date(),
      });
    state.isAway = false;
    await eventually(() => signals.length === asked.length, { timeoutMs: 20_000 });
    assert.deepEqual(signals, asked);
    assert.deepEqual(
      served.payloads.map((payload) => 'reason' in payload),
      asked.map(() => false),
    );
  });

  test('starts a workflow that is no operation’s, and sends it what was asked for afterwards in order', async () => {
    const tenant = await newTenant();
    const told: string[] = [];
    const inner = { workflowId: `tally:${tenant}:1`, ref: { tenantId: tenant, kind: 'tally', key: 'k_1' }, now: new Date() };
    await withTenant(databases.app, tenant, async (tx) => {
      await startInner(tx, inner);
      for (const name of ['first', 'second']) await signalInner(tx, { ...inner, name });
    });
    await using served = serve(async (ref) => void told.push(Object.values(ref).toSorted().join(' ')), {
      signal: (name) => void told.push(name),
    });
    await eventually(() => told.length === 3);
    assert.deepEqual(told, [`k_1 tally ${tenant}`, 'first', 'second']);
    await eventually(async () => (await backlog()) === 0);
    assert.equal(served.started.length, 1);
  });

  test('the next of a tenant follow as soon as places are free, while a slow start is still under way', async () => {
    const tenant = await newTenant();
    const first = await accept(tenant);
    for (let index = 0; index < 20; index += 1) await accept(tenant);
    const slow = Promise.withResolvers<void>();
    await using served = serve((ref) => (ref.operationId === first ? slow.promise : Promise.resolve()), { places: 4 });
    await eventually(() => served.started.length === 20);
    slow.resolve();
    await eventually(() => served.started.length === 21);
  });

  test('who takes, marks or ends a few rows does not read all that wait', async () => {
    const tenant = await newTenant();
    const operationId = await accept(tenant);
    for (let index = 1; index < 300; index += 1) await accept(tenant);
    const now = new Date();
    const taken = await databases.system.transaction().execute(async (tx) => {
      const dispatch = createDispatchStore(tx);
      const readBefore = await readOfDispatch(tx);
      const items = await dispatch.takeDue({ limit: 4, now, leaseMs: LEASE_MS });
      await dispatch.markDelivered(
        items.map(({ id }) => ({ id, outcome: 'started' })),
        now,
      );
      return { items, read: (await readOfDispatch(tx)) - readBefore };
    });
    assert.equal(taken.items.length, 4);
    assert.ok(taken.read < 100, `${taken.read} rows read`);
    const parameters = { tenantId: tenant, operationId, now, status: 'failed', actor: 'system', auditId: uuidv7(), eventId: uuidv7() };
    const ended = await withTenant(databases.app, tenant, async (tx) => {
      const readBefore = await readOfDispatch(tx);
      await sql`select close_operation(${JSON.stringify(parameters)}::jsonb)`.execute(tx);
      return (await readOfDispatch(tx)) - readBefore;
    });
    assert.ok(ended < 20, `${ended} rows read`);
    assert.equal(await backlog(), 300 - 4);
    await using _served = serve(async () => undefined);
    await eventually(async () => (await backlog()) === 0, { timeoutMs: 30_000 });
  });

  test('two dispatchers at once deliver each row once', async () => {
    const tenant = await newTenant();
    for (let index = 0; index < 100; index += 1) await accept(tenant);
    await using one = serve(async () => undefined);
    await using two = serve(async () => undefined);
    await eventually(async () => (await backlog()) === 0);
    assert.equal(one.started.length + two.started.length, 100);
  });
});
