import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { startStreamHub } from '../../src/control/stream-hub.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { createLog } from '../../src/log.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { eventually } from '../support/eventually.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';
import { PROBE_KIND } from '../support/probe.ts';

const tenantId = 'shop';
let ground: GroundDatabase;
let databases: Databases;
let store: Store;

before(async () => {
  ground = await useDatabase();
  const { databaseUrl: url } = ground;
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 4 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: tenantId, name: 'A shop', actor: { actor: 'system' }, now: new Date() });
});
after(() => databases[Symbol.asyncDispose]());

/** An operation, whose stream has its id. */
async function accept() {
  const request = { tenantId, kind: PROBE_KIND, input: {}, start: {}, actor: { actor: 'key:test' }, now: new Date() };
  const accepted = await store.operations.accept(request);
  assert.ok(accepted.outcome === 'created');
  return accepted.operation;
}

async function change({ id, root_id: rootId }: { id: string; root_id: string }, phase: string): Promise<void> {
  const run = { tenantId, operationId: id, rootId, kind: 'probe', attempt: 1, runId: 'r1', nowMs: Date.now() };
  await store.lifecycle.mark(run, { status: 'running', phase });
}

test('a change is told only of a stream that is watched', async () => {
  const [quiet, watched] = [await accept(), await accept()];
  const told: string[] = [];
  const listening = await store.streams.listen(
    (id) => told.push(id),
    () => undefined,
  );
  try {
    await store.streams.watch(tenantId, [watched.id]);
    await change(quiet, 'one');
    await change(watched, 'one');
    await change(quiet, 'two');
    await change(watched, 'two');
    // They come in the order of the commits, so a word of the other would be here by now.
    await eventually(() => told.length >= 2);
    assert.deepEqual(told, [watched.id, watched.id]);
  } finally {
    await listening.close();
  }
});

test('who follows a stream through the hub hears of changes after the connection that listens was ended', async () => {
  const operation = await accept();
  await using hub = startStreamHub(store.streams, createLog('silent', 'test'));
  let hints = 0;
  const stop = hub.subscribe({ tenantId, id: operation.id }, () => void (hints += 1));
  const client = new pg.Client({ connectionString: ground.databaseUrl });
  await client.connect();
  const listener = async (): Promise<unknown> => {
    const { rows } = await client.query("select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'");
    return rows[0]?.pid;
  };
  const first = await eventually(listener);
  await client.query('select pg_terminate_backend($1, 5000)', [first]);
  await eventually(async () => {
    const second = await listener();
    return second !== undefined && second !== first;
  });
  await client.end();
  // Told by the new connection: the looks that come anyway, every 5 s, are too few for three.
  for (let index = 1; index <= 3; index += 1) {
    const heard = hints;
    await change(operation, `change_${index}`);
    await eventually(() => hints > heard, { timeoutMs: 2_000 });
  }
  stop();
});

test('who follows a stream through the hub hears of each change, also of one that came before it was watched', async () => {
  const operation = await accept();
  await using hub = startStreamHub(store.streams, createLog('silent', 'test'));
  const phases: unknown[] = [];
  let read = 0;
  let reading = Promise.resolve();
  const look = async (): Promise<void> => {
    const seen = await store.streams.read(tenantId, operation.id, read);
    read = seen?.seq ?? read;
    phases.push(...(seen?.events ?? []).map(({ data }) => data['phase']));
  };
  const stop = hub.subscribe({ tenantId, id: operation.id }, () => {
    reading = reading.then(look);
  });
  await change(operation, 'early');
  await eventually(() => phases.includes('early'));
  await change(operation, 'late');
  await eventually(() => phases.includes('late'));
  stop();
  await reading;
  assert.deepEqual(phases, ['accepted', 'early', 'late']);
});
