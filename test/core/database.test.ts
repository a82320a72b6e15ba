import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import pg from 'pg';
import { DATA_MAP } from '../../src/contracts/data-map.ts';
import { callFunction, openDatabases, withTenant } from '../../src/store/database.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';

const MIGRATIONS = new URL('../../migrations/', import.meta.url).pathname;
/** Above tenants, or without anybody's data. */
const WITHOUT_TENANT = ['email_route', 'event_position', 'job_turn', 'migration', 'rate_count', 'stripe_inbox', 'tenant'];

let ground: GroundDatabase;
let owner: pg.Client;

before(async () => {
  ground = await useDatabase();
  owner = new pg.Client({ connectionString: ground.ownerUrl });
  await owner.connect();
});
after(() => owner.end());

async function as<T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: ground.databaseUrl, options: `-c role=${role}` });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function tables(): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public' order by 1");
  return rows.map((row) => row.name);
}

describe('the tables', () => {
  test('all are in the data map', async () => {
    assert.deepEqual(await tables(), Object.keys(DATA_MAP).toSorted());
  });

  test('all with a tenant force row-level security and have the tenant policy', async () => {
    const { rows } = await owner.query(`
      select c.relname as name, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
             exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_rows') as policy
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1`);
    assert.deepEqual(
      rows.filter((row) => !row.enabled || !row.forced || !row.policy),
      [],
    );
    const names = new Set(rows.map((row) => row.name));
    assert.deepEqual(
      (await tables()).filter((name) => !names.has(name)),
      WITHOUT_TENANT,
    );
  });

  test('all foreign keys have an index', async () => {
    const { rows } = await owner.query(`
      select c.conrelid::regclass::text as table, c.conname as key from pg_constraint c
      where c.contype = 'f' and c.confrelid <> 'tenant'::regclass and not exists (
        select from pg_index i where i.indrelid = c.conrelid and (i.indkey::int2[])[0:array_length(c.conkey, 1) - 1] = c.conkey)`);
    assert.deepEqual(rows, []);
  });
});

describe('the roles', () => {
  test('own nothing, and cannot pass row-level security', async () => {
    const { rows } = await owner.query(`
      select rolname, rolsuper, rolbypassrls, rolcreaterole, (select count(*)::int from pg_class where relowner = r.oid) as owned
      from pg_roles r where rolname in ('nightshift_app', 'nightshift_system') order by 1`);
    const powerless = { rolsuper: false, rolbypassrls: false, rolcreaterole: false, owned: 0 };
    assert.deepEqual(rows, [
      { rolname: 'nightshift_app', ...powerless },
      { rolname: 'nightshift_system', ...powerless },
    ]);
  });

  test('the app sees one tenant, and nothing when none is named', async () => {
    await as('nightshift_system', (client) =>
      client.query("insert into tenant values ('one', 'One', now(), now()), ('two', 'Two', now(), now())"),
    );
    await as('nightshift_app', async (client) => {
      await client.query("select set_config('app.tenant', 'one', false)");
      await client.query("insert into app_user values ('one', 'u1', null, null, null, '{}', now(), now())");
      await assert.rejects(
        client.query("insert into app_user values ('two', 'u2', null, null, null, '{}', now(), now())"),
        /row-level security/,
      );
      assert.equal((await client.query('select * from app_user')).rowCount, 1);
      await client.query("select set_config('app.tenant', 'two', false)");
      assert.equal((await client.query('select * from app_user')).rowCount, 0);
      await client.query("select set_config('app.tenant', '', false)");
      assert.equal((await client.query('select * from app_user')).rowCount, 0);
      await assert.rejects(client.query('delete from audit_entry'), /permission denied/);
      await assert.rejects(client.query('update audit_entry set actor = $1', ['x']), /permission denied/);
    });
  });

  test('the system role reads no content of tables that it has no policy for', async () => {
    await as('nightshift_system', async (client) => {
      for (const name of ['app_user', 'effect', 'stream', 'stream_event', 'timeline', 'subject_key']) {
        await assert.rejects(client.query(`select * from ${name}`), /permission denied/, name);
      }
    });
  });
});

describe('a connection that the server ends', () => {
  test('in the midst of a transaction, between two of its queries, fails the transaction and nothing else', async () => {
    const { databaseUrl: url } = ground;
    await using databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 1 });
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    let isEnded = false;
    const work = withTenant(databases.app, 'nobody', async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      const pid = rows[0]?.pid;
      await other.query('select pg_terminate_backend($1, 5000)', [pid]);
      isEnded = (await other.query('select 1 from pg_stat_activity where pid = $1', [pid])).rowCount === 0;
      await sql`select 1`.execute(tx);
    });
    await assert.rejects(work, /terminat|not queryable|encountered a connection error/i);
    assert.equal(isEnded, true);
    await other.end();
    const { rows } = await sql<{ one: number }>`select 1 as one`.execute(databases.app);
    assert.deepEqual(rows, [{ one: 1 }]);
  });
});

describe('migrations', () => {
  test('run once, and many processes may start at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => migrate({ ownerUrl: ground.ownerUrl })));
    assert.deepEqual(
      results.flatMap((result) => result.applied),
      [],
    );
  });

  test('one that was edited after it ran is refused, and so is a database of a newer version', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'migrations-'));
    try {
      await cp(MIGRATIONS, folder, { recursive: true });
      await writeFile(join(folder, '20261124T2330_core.sql'), '-- something else');
      await assert.rejects(migrate({ ownerUrl: ground.ownerUrl, folder }), /was edited after it ran/);
      await rm(join(folder, '20261124T2330_core.sql'));
      await assert.rejects(migrate({ ownerUrl: ground.ownerUrl, folder }), /newer version/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a function that a connection has prepared', () => {
  test('answers in its present form when a migration has changed its result', async () => {
    await using databases = openDatabases({
      url: ground.databaseUrl,
      systemUrl: ground.databaseUrl,
      directUrl: ground.databaseUrl,
      poolSize: 1,
    });
    await owner.query('create function answer(p jsonb, out a text) language sql as $$ select p->>1 $$');
    assert.deepEqual(await callFunction(databases.app, 'answer', '["x", "y"]'), [{ a: 'y' }]);
    await owner.query('drop function answer(jsonb)');
    await owner.query('create function answer(p jsonb, out a text, out b text) language sql as $$ select p->>1, p->>0 $$');
    assert.deepEqual(await callFunction(databases.app, 'answer', '["x", "y"]'), [{ a: 'y', b: 'x' }]);
    assert.deepEqual(await callFunction(databases.app, 'answer', '["x", "z"]'), [{ a: 'z', b: 'x' }]);
    await owner.query('drop function answer(jsonb)');
  });
});
