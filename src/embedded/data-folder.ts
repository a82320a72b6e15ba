import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LaunchError } from './launch-error.ts';
import { identify, isRunning } from './processes.ts';
import type { ProcessIdentity } from './processes.ts';

/** Raised when what lies in the data folder is no longer understood by older versions. */
const DATA_VERSION = 1;
const STALE_TAKE_OVER_MS = 10_000;
const LOCK_WAIT_MS = 5000;
/** Only a folder that bears one of these marks is ever emptied. */
const OURS = new Set(['version', 'processes.json']);

const lockSchema = z.object({ pid: z.number(), startTime: z.string() });
const processesSchema = z.array(z.object({ name: z.string(), pid: z.number(), startTime: z.string(), ports: z.array(z.number()) }));

/** One line of `processes.json`. */
export type ProcessRecord = z.infer<typeof processesSchema>[number];

/** The folder of everything that the embedded servers keep, held by one supervisor at a time. */
export interface DataFolder {
  readonly path: string;
  /** True when the supervisor before this one did not stop by itself. */
  readonly wasLeftOpen: boolean;
  release(): void;
}

/**
 * Takes the folder for this process and makes it when it is missing. A lock of a dead process is taken over.
 * @throws {LaunchError} when a live supervisor holds it
 */
export async function takeDataFolder(path: string): Promise<DataFolder> {
  const folder = resolve(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // PostgreSQL runs as its own user when we are root, and must be able to pass through; the files stay private. Also a
  // folder that mkdtemp made for us is still empty; one that holds something keeps the mode that it has.
  if (process.getuid?.() === 0 && readdirSync(folder).length === 0) chmodSync(folder, 0o711);
  const self = identify(process.pid);
  if (self === undefined) throw new Error('The operating system does not tell when this process started.');
  const lock = join(folder, 'supervisor.lock');
  const ticket = `${lock}.${self.pid}`;
  writeFileSync(ticket, JSON.stringify(self), { mode: 0o600 });
  try {
    const wasLeftOpen = await takeLock(lock, ticket);
    return { path: folder, wasLeftOpen, release: () => rmSync(lock, { force: true }) };
  } finally {
    rmSync(ticket, { force: true });
  }
}

/** The live supervisor that holds a folder, if any. */
export function holderOf(folder: string): ProcessIdentity | undefined {
  const holder = readLock(join(folder, 'supervisor.lock'));
  return holder !== undefined && isRunning(holder) ? holder : undefined;
}

/**
 * Checks the version stamp, and writes it into a new folder.
 * @throws {LaunchError} when another version wrote the data, with the way out
 */
export function checkVersion(folder: string): void {
  const file = join(folder, 'version');
  if (!existsSync(file)) {
    writeAtomically(file, `${DATA_VERSION}\n`);
    return;
  }
  const found = readFileSync(file, 'utf8').trim();
  if (found === String(DATA_VERSION)) return;
  throw new LaunchError(
    `The data in ${folder} has version "${found}", and this Nightshift knows version ${DATA_VERSION}.\n` +
      'Start the Nightshift that wrote it, choose another folder with DATA_DIR, or throw the data away: npm start -- --reset',
  );
}

/** Empties a data folder of ours; the lock stays. */
export function emptyDataFolder(folder: string): void {
  const names = readdirSync(folder).filter((name) => name !== 'supervisor.lock');
  if (names.length > 0 && !names.some((name) => OURS.has(name))) {
    throw new LaunchError(`${folder} is not a data folder of Nightshift: nothing was removed.`);
  }
  for (const name of names) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** What ran at last, as far as it was written down. */
export function readProcesses(folder: string): readonly ProcessRecord[] {
  try {
    return processesSchema.parse(JSON.parse(readFileSync(join(folder, 'processes.json'), 'utf8')));
  } catch {
    return [];
  }
}

/** Writes down what runs, for the next start and for tools. */
export function writeProcesses(folder: string, processes: readonly ProcessRecord[]): void {
  writeAtomically(join(folder, 'processes.json'), `${JSON.stringify(processes, undefined, 2)}\n`);
}

/** Replaces a private file in one step: readers see the old or the new one, never a half. */
export function writeAtomically(file: string, content: string): void {
  const half = `${file}.${process.pid}.new`;
  writeFileSync(half, content, { mode: 0o600 });
  renameSync(half, file);
}

/** Answers whether a dead supervisor's lock was taken over. */
async function takeLock(lock: string, ticket: string): Promise<boolean> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  while (performance.now() < deadline) {
    if (tryLink(ticket, lock)) return false;
    const holder = readLock(lock);
    if (holder !== undefined && isRunning(holder)) {
      throw new LaunchError(
        `Nightshift already runs on this data folder: process ${holder.pid}. Stop it (kill ${holder.pid}), ` +
          'or start a second one beside it with --ephemeral or another DATA_DIR.',
      );
    }
    if (holder !== undefined && takeOver(lock, ticket, holder)) return true;
    // Another start is taking it over at this moment, or its holder just left.
    await sleep(50);
  }
  throw new LaunchError(`${lock} could not be taken: remove it when no Nightshift runs.`);
}

/** Only one of several starts may replace the lock of a given dead process: the one that creates the mark. */
function takeOver(lock: string, ticket: string, dead: ProcessIdentity): boolean {
  const mark = `${lock}.dead-${dead.pid}-${dead.startTime.replaceAll(/\W/g, '')}`;
  if (!tryLink(ticket, mark)) {
    const age = Date.now() - (statSync(mark, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_TAKE_OVER_MS) rmSync(mark, { force: true });
    return false;
  }
  const current = readLock(lock);
  const isStillDead = current?.pid === dead.pid && current.startTime === dead.startTime;
  if (isStillDead) {
    const copy = `${ticket}.copy`;
    linkSync(ticket, copy);
    renameSync(copy, lock);
  }
  rmSync(mark, { force: true });
  return isStillDead;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

function readLock(lock: string): ProcessIdentity | undefined {
  try {
    return lockSchema.parse(JSON.parse(readFileSync(lock, 'utf8')));
  } catch {
    return undefined;
  }
}
