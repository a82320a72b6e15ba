import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../config.ts';
import type { ChildSpec } from './child.ts';
import { writeAtomically } from './data-folder.ts';
import { LaunchError } from './launch-error.ts';
import { makeOwned, postgresHome, writeOwned } from './postgres-home.ts';
import type { PostgresHome } from './postgres-home.ts';
import { processesIn, signal, until } from './processes.ts';

const DATABASE = 'nightshift';
const SUPERUSER = 'postgres';
/** Owns the database and may create roles: runs the migrations. */
const OWNER_LOGIN = 'nightshift_owner';
/** Has no rights of its own: the migrations grant it the roles that the product works with. */
const APP_LOGIN = 'nightshift';
/** Backends notice within this time that their postmaster was killed, and end. */
const ORPHAN_TIMEOUT_MS = 10_000;
const PASSWORD_FILE = 'postgres-passwords.json';

/** The built-in locale needs none of the machine's, and sorts alike everywhere. */
const INITDB_OPTIONS = `--username ${SUPERUSER} --auth scram-sha-256 --encoding UTF8 --locale C --locale-provider builtin --builtin-locale C.UTF-8`;

const passwordsSchema = z.object({ superuser: z.string(), owner: z.string(), app: z.string() });
type Passwords = z.infer<typeof passwordsSchema>;

/** The embedded PostgreSQL: how to run it, and how to reach it. */
export interface EmbeddedPostgres {
  readonly spec: ChildSpec;
  readonly urls: { readonly app: string; readonly owner: string; readonly superuser: string };
  readonly notice: string | undefined;
}

/**
 * Says how to run PostgreSQL and how to reach it. Its first start makes the cluster, with database, owner and login.
 * @throws {LaunchError} when it can't run here
 */
export function createPostgres(server: {
  readonly dataDir: string;
  readonly port: number;
  readonly environment: Environment;
}): EmbeddedPostgres {
  const home = postgresHome(server.dataDir);
  const passwords = readPasswords(server.dataDir);
  const url = (user: string, password: string, database: string) => `postgres://${user}:${password}@127.0.0.1:${server.port}/${database}`;
  return {
    spec: postgresSpec(home, passwords, server),
    urls: {
      app: url(APP_LOGIN, passwords.app, DATABASE),
      owner: url(OWNER_LOGIN, passwords.owner, DATABASE),
      superuser: url(SUPERUSER, passwords.superuser, DATABASE),
    },
    notice: home.notice,
  };
}

function postgresSpec(
  home: PostgresHome,
  passwords: Passwords,
  server: { readonly port: number; readonly environment: Environment },
): ChildSpec {
  return {
    name: 'postgres',
    ports: [server.port],
    stage: 0,
    // Fast shutdown: connections are ended, everything committed stays.
    stopSignal: 'SIGINT',
    stopTimeoutMs: 20_000,
    // SIGKILL would leave its backends behind; this ends them too, and the next start recovers.
    forceSignal: 'SIGQUIT',
    prepare: async () => {
      if (!existsSync(home.cluster)) await makeCluster(home, passwords, server.environment);
      await clearOrphans(home);
      return {
        type: 'program',
        command: join(home.programs, 'bin', 'postgres'),
        args: ['-D', home.cluster, '-p', String(server.port), ...serverOptions()],
        environment: programEnvironment(server.environment),
        folder: '/',
        user: home.user,
        isReady: async (pid) => isServing(home, pid),
      };
    },
  };
}

function serverOptions(): readonly string[] {
  const options = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    fsync: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %q%u@%d ',
  };
  return Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** PostgreSQL writes its pid and, last, its state into this file; pg_ctl waits for the same line. */
function isServing(home: PostgresHome, pid: number): boolean {
  const lines = readPidFile(home);
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}

/**
 * After a SIGKILL the server's backends live on for a moment and hold its shared memory; a server that starts meanwhile
 * gives up. And in a container that was restarted the old pid may belong to another program: then the file is stale.
 */
async function clearOrphans(home: PostgresHome): Promise<void> {
  const folder = realpathSync(home.cluster);
  const areGone = await until(() => processesIn(folder).length === 0, ORPHAN_TIMEOUT_MS);
  if (!areGone) {
    for (const { pid } of processesIn(folder)) signal(pid, 'SIGKILL');
    await until(() => processesIn(folder).length === 0, ORPHAN_TIMEOUT_MS);
  }
  if (process.platform === 'linux') rmSync(join(home.cluster, 'postmaster.pid'), { force: true });
}

function readPidFile(home: PostgresHome): readonly string[] {
  try {
    return readFileSync(join(home.cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

function readPasswords(dataDir: string): Passwords {
  const file = join(dataDir, PASSWORD_FILE);
  if (!existsSync(file)) {
    const password = () => randomBytes(18).toString('base64url');
    writeAtomically(file, JSON.stringify({ superuser: password(), owner: password(), app: password() }));
  }
  return passwordsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** Makes the cluster beside its place and moves it there when it is whole, so that a killed start leaves no half. */
async function makeCluster(home: PostgresHome, passwords: Passwords, environment: Environment): Promise<void> {
  const half = `${home.cluster}.new`;
  rmSync(half, { recursive: true, force: true });
  makeOwned(half, home.user);
  const passwordFile = `${home.cluster}.password`;
  writeOwned(passwordFile, passwords.superuser, home.user);
  try {
    const args = ['-D', half, '--pwfile', passwordFile, ...INITDB_OPTIONS.split(' ')];
    await runProgram(home, environment, { program: 'initdb', args, input: '' });
  } finally {
    rmSync(passwordFile);
  }
  // Single-user mode needs no running server; passwords reach it on stdin and are in no list of processes.
  await runProgram(home, environment, {
    program: 'postgres',
    args: ['--single', '-j', '-D', half, SUPERUSER],
    input: bootstrapSql(passwords).join(';\n\n'),
  });
  renameSync(half, home.cluster);
}

function bootstrapSql({ owner, app }: Passwords): readonly string[] {
  return [
    `CREATE ROLE ${OWNER_LOGIN} LOGIN CREATEROLE PASSWORD '${owner}'`,
    `CREATE ROLE ${APP_LOGIN} LOGIN PASSWORD '${app}'`,
    `CREATE DATABASE ${DATABASE} OWNER ${OWNER_LOGIN}`,
    `REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${DATABASE} TO ${APP_LOGIN}`,
    '',
  ];
}

async function runProgram(
  home: PostgresHome,
  environment: Environment,
  { program, args, input }: { readonly program: string; readonly args: readonly string[]; readonly input: string },
): Promise<void> {
  const child = spawn(join(home.programs, 'bin', program), args, { env: programEnvironment(environment), cwd: '/', ...home.user });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const ended = Promise.withResolvers<number | null>();
  child.once('error', ended.reject);
  child.once('close', ended.resolve);
  child.stdin.end(input);
  const code = await ended.promise;
  const text = Buffer.concat(output).toString('utf8');
  // In single-user mode a failed statement does not change the exit code.
  if (code === 0 && !/^.*(ERROR|FATAL|PANIC):/m.test(text)) return;
  throw new LaunchError(`PostgreSQL could not be set up: ${program} ended with code ${code}.\n${text.slice(-2000)}`);
}

/** Messages are read by programs, so their language is fixed; PG… settings are meant for another server. */
function programEnvironment(environment: Environment): Environment {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('PG') && !name.startsWith('LC_') && name !== 'LANG');
  return { ...Object.fromEntries(others), LC_ALL: 'C' };
}
