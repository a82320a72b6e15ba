import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { postgresBinaries } from './binaries.ts';
import { writeAtomically } from './data-folder.ts';
import { LaunchError } from './launch-error.ts';

/** PostgreSQL refuses to run as root; then this system user runs it. */
const SYSTEM_USER = 'nightshift';
/** Where files go that the system user could not reach, as below /root. */
const SHARED_FOLDER = '/var/lib/nightshift';
const POINTER = 'postgres-home';

/** Where the cluster lies, which programs serve it, and as whom. */
export interface PostgresHome {
  /** PostgreSQL's data folder. */
  readonly cluster: string;
  /** Folder with bin/, lib/ and share/. */
  readonly programs: string;
  /** Undefined unless we are root. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Said to the user when the data is not where he would look for it. */
  readonly notice: string | undefined;
}

/**
 * Finds or makes a home for PostgreSQL. As root it may need a system user, and a place that this user can enter.
 * @throws {LaunchError} when the system user can't be made
 */
export function postgresHome(dataDir: string): PostgresHome {
  const binaries = postgresBinaries();
  if (process.getuid?.() !== 0) {
    return { cluster: join(dataDir, 'postgres'), programs: binaries.folder, user: undefined, notice: undefined };
  }
  const user = systemUser();
  const programs = canEnter(binaries.folder, user) ? binaries.folder : sharedPrograms(binaries.folder, binaries.version);
  if (canEnter(dataDir, user)) return { cluster: join(dataDir, 'postgres'), programs, user, notice: undefined };
  const folder = sharedCluster(dataDir);
  const notice = `PostgreSQL keeps its data in ${folder}, because its user "${SYSTEM_USER}" may not enter ${dataDir}.`;
  return { cluster: join(folder, 'postgres'), programs, user, notice };
}

/** Removes a cluster that lies outside of the data folder; for --reset and --ephemeral. */
export function removeSharedCluster(dataDir: string): void {
  const folder = readPointer(dataDir);
  if (folder?.startsWith(`${SHARED_FOLDER}/data-`)) rmSync(folder, { recursive: true, force: true });
}

function systemUser(): { readonly uid: number; readonly gid: number } {
  const existing = idsOf(SYSTEM_USER);
  if (existing !== undefined) return existing;
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
  const run = spawnSync('useradd', [...options, SYSTEM_USER], { encoding: 'utf8' });
  // Another start may have made it in the meantime, so the question is only whether it is there.
  const made = idsOf(SYSTEM_USER) ?? idsOf('postgres');
  if (made !== undefined) return made;
  throw new LaunchError(
    `PostgreSQL does not run as root, and the system user "${SYSTEM_USER}" could not be made ` +
      `(useradd: ${run.error?.message ?? run.stderr.trim()}).\nRun as another user, make that user, or set DATABASE_URL.`,
  );
}

function idsOf(name: string): { readonly uid: number; readonly gid: number } | undefined {
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);
  return entry === undefined ? undefined : { uid: Number(entry[2]), gid: Number(entry[3]) };
}

function canEnter(folder: string, user: { readonly uid: number; readonly gid: number }): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1" 2>/dev/null', 'sh', folder], { ...user, cwd: '/' }).status === 0;
}

/** A copy of the programs that everybody can reach; made once, in one step. */
function sharedPrograms(folder: string, version: string): string {
  const target = join(SHARED_FOLDER, `postgres-${version}`);
  if (existsSync(target)) return target;
  mkdirSync(SHARED_FOLDER, { recursive: true, mode: 0o755 });
  const half = `${target}.${process.pid}.new`;
  rmSync(half, { recursive: true, force: true });
  cpSync(folder, half, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(half, target);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}

/**
 * The data folder points to its cluster, so that a data folder removed by hand and made again begins with an empty
 * database instead of meeting an old one.
 */
function sharedCluster(dataDir: string): string {
  const known = readPointer(dataDir);
  if (known !== undefined) return known;
  const folder = join(SHARED_FOLDER, `data-${randomBytes(8).toString('hex')}`);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  writeAtomically(join(dataDir, POINTER), `${folder}\n`);
  return folder;
}

function readPointer(dataDir: string): string | undefined {
  const file = join(dataDir, POINTER);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** Makes a private folder that the user of PostgreSQL owns. */
export function makeOwned(folder: string, user: PostgresHome['user']): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/** Writes a private file that the user of PostgreSQL can read. */
export function writeOwned(file: string, content: string, user: PostgresHome['user']): void {
  rmSync(file, { force: true });
  writeFileSync(file, content, { mode: 0o600, flag: 'wx' });
  if (user !== undefined) chownSync(file, user.uid, user.gid);
}
