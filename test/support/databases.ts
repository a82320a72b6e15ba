import { mkdir } from 'node:fs/promises';
import pg from 'pg';
import { removeSharedCluster } from '../../src/embedded/postgres-home.ts';
import { createPostgres } from '../../src/embedded/postgres.ts';
import { migrate } from '../../src/store/migrate.ts';
import { freePort } from './free-port.ts';
import { startServer } from './servers.ts';

const TEMPLATE = 'nightshift_template';

/** Nothing of a test's data outlives the run, so nothing is forced to disk. */
const SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_connections=300',
];

export interface TestDatabase {
  /** As the application's login, which owns nothing. */
  readonly databaseUrl: string;
  /** As the owner, who runs migrations and is no superuser. */
  readonly ownerUrl: string;
  drop(): Promise<void>;
}

export interface Databases {
  create(): Promise<TestDatabase>;
  stop(): Promise<void>;
}

/** Starts the embedded PostgreSQL in `folder` with a migrated template: a database for a test file is a copy of it. */
export async function createDatabases(folder: string): Promise<Databases> {
  const { urls, stop } = await startPostgres(folder);
  const owner = new URL(urls.owner).username;
  const admin = new pg.Client({ connectionString: urls.superuser });
  // A server that stops says so on every connection.
  admin.on('error', () => undefined);
  try {
    await admin.connect();
    await admin.query(`create database ${TEMPLATE} owner ${owner}`);
    await migrate({ ownerUrl: inDatabase(urls.owner, TEMPLATE), loginUser: new URL(urls.app).username });
  } catch (error) {
    await stop();
    throw error;
  }
  let count = 0;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other, as there is one connection. */
  const execute = async (statement: string): Promise<void> => {
    last = last.catch(() => undefined).then(() => admin.query(statement));
    await last;
  };
  return {
    async create() {
      const name = `test_${++count}`;
      await execute(`create database ${name} owner ${owner} template ${TEMPLATE} strategy file_copy`);
      const drop = (): Promise<void> => execute(`drop database if exists ${name} with (force)`);
      return { databaseUrl: inDatabase(urls.app, name), ownerUrl: inDatabase(urls.owner, name), drop };
    },
    async stop() {
      await admin.end();
      await stop();
    },
  };
}

interface Postgres {
  readonly urls: { readonly app: string; readonly owner: string; readonly superuser: string };
  stop(): Promise<void>;
}

async function startPostgres(folder: string): Promise<Postgres> {
  // The user that PostgreSQL runs as when we are root has to enter the folder.
  await mkdir(folder, { mode: 0o711, recursive: true });
  const port = await freePort();
  try {
    const { spec, urls } = await createPostgres({ dataDir: folder, port, environment: process.env });
    const program = await spec.prepare();
    if (program.type !== 'program') throw new Error('PostgreSQL is no Node module.');
    const server = await startServer({
      command: program.command,
      args: [...program.args, ...SETTINGS.flatMap((setting) => ['-c', setting])],
      options: { env: program.environment, cwd: program.folder, ...program.user },
      isReady: program.isReady,
      stopSignal: spec.forceSignal,
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      removeSharedCluster(folder);
    };
    return { urls, stop };
  } catch (error) {
    removeSharedCluster(folder);
    throw error;
  }
}

function inDatabase(url: string, name: string): string {
  const copy = new URL(url);
  copy.pathname = `/${name}`;
  return copy.href;
}
