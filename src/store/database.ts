import { CompiledQuery, Kysely, PostgresDialect, type Transaction, sql } from 'kysely';
import pg from 'pg';
import { ConnectionPool, type LineOptions } from './connections.ts';
import type { Database } from './schema.ts';

/** bigint columns hold sequence numbers and positions, which stay far below 2^53. */
const BIGINT_OID = 20;
const IDLE_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
const SYSTEM_POOL_SIZE = 4;
/** A prepared statement whose result has other columns since a migration. */
const CHANGED_RESULT = '0A000';

export interface DatabaseSettings {
  readonly url: string;
  readonly systemUrl: string;
  readonly directUrl: string;
  readonly poolSize: number;
}

export type Tx = Transaction<Database>;

const pools = new WeakMap<Kysely<Database>, ConnectionPool>();

/** Two pools, one per role: what serves tenants can't see past row-level security, what keeps things moving has its own policies. */
export interface Databases extends AsyncDisposable {
  readonly app: Kysely<Database>;
  readonly system: Kysely<Database>;
  /** A connection of its own for LISTEN, with the app role; not through a pooler. The caller connects and ends it. */
  listener(): pg.Client;
}

export function openDatabases(settings: DatabaseSettings, line: LineOptions = { isStep: () => false }): Databases {
  const app = openPool({ url: settings.url, role: 'nightshift_app', max: settings.poolSize }, line);
  const system = openPool({ url: settings.systemUrl, role: 'nightshift_system', max: SYSTEM_POOL_SIZE }, line);
  return {
    app,
    system,
    listener: () => new pg.Client({ ...connection(settings.directUrl, 'nightshift_app'), keepAlive: true }),
    async [Symbol.asyncDispose]() {
      await Promise.all([close(app), close(system)]);
    },
  };
}

/**
 * Runs `work` in one transaction that sees and writes only this tenant's rows: the one way to them. The setting ends with the
 * transaction, so a pooled connection carries nothing over.
 */
export function withTenant<T>(db: Kysely<Database>, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (tx) => {
    await sql`select set_config('app.tenant', ${tenantId}, true)`.execute(tx);
    return work(tx);
  });
}

/**
 * Calls one of our functions: in the caller's transaction, or as one of its own. Then nothing is put together for it, and each connection
 * prepares it once, since it is what every operation does: half of what a call costs here, and a third of what a short one costs the database.
 */
export async function callFunction<Row extends pg.QueryResultRow>(
  db: Kysely<Database>,
  name: string,
  ...values: readonly unknown[]
): Promise<Row[]> {
  const pool = pools.get(db);
  const text = `select * from ${name}(${values.map((_, index) => `$${index + 1}`).join(', ')})`;
  if (pool === undefined) return (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;
  const client = await pool.connect();
  let isStale = false;
  try {
    return (await client.query<Row>({ name, text, values: [...values] })).rows;
  } catch (error) {
    isStale = error instanceof Error && 'code' in error && error.code === CHANGED_RESULT;
    if (!isStale) throw error;
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    client.release(isStale);
  }
}

/** Whether this error says that the database could not be reached or went away, rather than that it said no. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const gone = /^(08|57P0|53300)|^E(CONNREFUSED|CONNRESET|PIPE|TIMEDOUT)$/.test(code);
  return (
    gone || /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(error.message)
  );
}

interface PoolPlace {
  readonly url: string;
  readonly role: string;
  readonly max: number;
}

function openPool({ url, role, max }: PoolPlace, line: LineOptions): Kysely<Database> {
  const timeouts = { idleTimeoutMillis: IDLE_TIMEOUT_MS, connectionTimeoutMillis: CONNECT_TIMEOUT_MS };
  const pool = new ConnectionPool({ ...connection(url, role), ...timeouts, max }, line);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  pools.set(db, pool);
  return db;
}

/** Kysely ends only a pool that it has used itself. */
async function close(db: Kysely<Database>): Promise<void> {
  await db.destroy();
  await pools.get(db)?.end();
}

function connection(url: string, role: string): pg.ClientConfig {
  const types = new pg.TypeOverrides();
  types.setTypeParser(BIGINT_OID, Number);
  return { connectionString: url, options: `-c role=${role}`, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, types };
}
