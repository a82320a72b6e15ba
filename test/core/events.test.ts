import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';

const WRITERS = 8;
const PER_WRITER = 50;

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: WRITERS + 2 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: 'shop', name: 'A shop', actor: { actor: 'system' }, now: new Date() });
});
after(() => databases[Symbol.asyncDispose]());

test('concurrent writers whose commits overtake each other, and a reader that goes by position: none is missed', async () => {
  const writers = { areWriting: true };
  const read: string[] = [];
  const writes = Array.from({ length: WRITERS }, (_, writer) => write(writer));
  const assigner = (async () => {
    while (writers.areWriting || (await store.system.eventPositions.assign(7)) > 0) await store.system.eventPositions.assign(7);
  })();
  const reader = (async () => {
    let position = 0;
    for (let isLast = false; ;) {
      const rows = await store.events.list('shop', { after: position, limit: 10 });
      for (const row of rows) read.push(String(row.data['name']));
      position = rows.at(-1)?.position ?? position;
      if (rows.length > 0) continue;
      if (isLast) return;
      isLast = !writers.areWriting && (await unpositioned()) === 0;
    }
  })();
  await Promise.all(writes);
  writers.areWriting = false;
  await assigner;
  await reader;
  assert.equal(read.length, WRITERS * PER_WRITER);
  assert.equal(new Set(read).size, WRITERS * PER_WRITER);
});

/** Every other transaction stays open over two more statements, so that later ones commit first. */
async function write(writer: number): Promise<void> {
  for (let index = 0; index < PER_WRITER; index += 1) {
    await withTenant(databases.app, 'shop', async (tx) => {
      await tx
        .insertInto('event')
        .values({
          id: uuidv7(),
          tenant_id: 'shop',
          type: 'test',
          operation_id: null,
          data: JSON.stringify({ name: `${writer}-${index}` }),
          created_at: new Date(),
          position: null,
        })
        .execute();
      if ((writer + index) % 2 === 0) await sql`select pg_sleep(0.01)`.execute(tx);
    });
  }
}

async function unpositioned(): Promise<number> {
  return withTenant(databases.app, 'shop', async (tx) => {
    const rows = await tx.selectFrom('event').select('id').where('position', 'is', null).execute();
    return rows.length;
  });
}
