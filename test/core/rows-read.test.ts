// What a step of one operation reads must not grow with what waits beside it, also while PostgreSQL knows nothing about the tables yet.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import type { RunRef } from '../../src/contracts/pure/operations.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';
import { PROBE_KIND } from '../support/probe.ts';

const TENANT = 'shop';
/** So often a connection plans a statement anew before it keeps one plan. */
const UNTIL_PLANS_ARE_KEPT = 8;
const WAITING = 400;
const MEASURED = 10;
/** Rows of both tables that one operation's steps may look at; one that reads all that waits looks at a hundred times as many. */
const MAX_READ = 30;

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  // One connection: its plans are the ones that are looked at.
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 1 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: TENANT, name: 'A shop', actor: { actor: 'system' }, now: new Date() });
});
after(() => databases[Symbol.asyncDispose]());

describe('the steps of one operation', () => {
  test('read its own rows, whatever waits beside it, with plans that were made while nothing did', async () => {
    for (let index = 0; index < UNTIL_PLANS_ARE_KEPT; index += 1) await runWhole();
    for (let index = 0; index < WAITING; index += 1) await accept();
    const earlier = await rowsRead();
    for (let index = 0; index < MEASURED; index += 1) await runWhole();
    const read = ((await rowsRead()) - earlier) / MEASURED;
    assert.ok(read > 0 && read <= MAX_READ, `${read} rows read`);
  });
});

async function accept(): Promise<RunRef> {
  const accepted = await store.operations.accept({
    tenantId: TENANT,
    kind: PROBE_KIND,
    input: {},
    start: {},
    actor: { actor: 'key:test' },
    now: new Date(),
  });
  assert.ok(accepted.outcome === 'created');
  const { id: operationId, root_id: rootId, attempt } = accepted.operation;
  return { tenantId: TENANT, operationId, rootId, kind: PROBE_KIND.name, attempt, runId: `run of ${operationId}`, nowMs: Date.now() };
}

/** Accepts, opens, begins and ends, as one mail does. */
async function runWhole(): Promise<void> {
  const run = await accept();
  const { tenantId, operationId, rootId, nowMs } = run;
  const opened = await store.lifecycle.open(run);
  assert.ok(opened.opened);
  const key = `${rootId}/to#1`;
  assert.ok(await store.effects.beginFirst({ tenantId, rootId, operationId, key, step: 'to', digest: 'of it' }, 30_000));
  const ended = await store.lifecycle.closeWithEffect(
    { run, outcome: { status: 'succeeded', result: {} } },
    { tenantId, key, fence: 1 },
    { state: 'done', operationId, nowMs, response: {} },
  );
  assert.ok(ended.closed);
}

/** By this connection until now. */
async function rowsRead(): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(databases.app);
  const { rows } = await sql<{ read: number }>`
    select sum(idx_tup_read)::integer as read from pg_stat_user_indexes where relname in ('operation', 'effect')`.execute(databases.app);
  const { rows: scanned } = await sql<{ read: number }>`
    select sum(seq_tup_read)::integer as read from pg_stat_user_tables where relname in ('operation', 'effect')`.execute(databases.app);
  return (rows[0]?.read ?? 0) + (scanned[0]?.read ?? 0);
}
