import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/** A process that stays recognisable when its pid is given to another one later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** As the operating system tells it; compared only, never computed with. */
  readonly startTime: string;
}

/** Start time of a live process; undefined when there is none. A zombie counts as none, once all its threads have let go of what they hold. */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const run = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return run.stdout?.trim() || undefined;
  }
  const stat = readText(`/proc/${pid}/stat`);
  // The command stands in brackets and may hold anything, so fields are counted behind its end.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'X' || (fields[0] === 'Z' && !hasThreads(pid))) return undefined;
  return fields[19];
}

/** Whether others than its first thread are left. While they end, its ports are still taken. */
function hasThreads(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).length > 1;
  } catch {
    return false;
  }
}

/** True while this very process runs, and not another one under its pid. */
export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

/** Identity of a live process, undefined when it is gone. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

/** What a person recognises a process by. */
export function commandOf(pid: number): string {
  if (process.platform !== 'linux') {
    const run = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return run.stdout?.trim() ?? '';
  }
  return (readText(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
}

/** Sends a signal; false when the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Waits until all of these are gone; false when some still run at the deadline. */
export async function waitUntilGone(processes: readonly ProcessIdentity[], timeoutMs: number): Promise<boolean> {
  return until(() => !processes.some(isRunning), timeoutMs);
}

/** Polls a condition; false when it did not hold within the time. */
export async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Live processes whose environment holds this entry. Linux only; elsewhere none are found. */
export function processesWithEnvironment(entry: string): readonly ProcessIdentity[] {
  return processesWhere((pid) => (readText(`/proc/${pid}/environ`) ?? '').split('\0').includes(entry));
}

/** Live processes that work in this folder, as all of PostgreSQL's do in its data folder. Linux only. */
export function processesIn(folder: string): readonly ProcessIdentity[] {
  return processesWhere((pid) => linkOf(`/proc/${pid}/cwd`) === folder);
}

/** The process that listens on this TCP port, as far as we may see it. Linux only. */
export function portHolder(port: number): number | undefined {
  const inodes = new Set(['tcp', 'tcp6'].flatMap((table) => listeningInodes(`/proc/net/${table}`, port)));
  if (inodes.size === 0) return undefined;
  return allPids().find((pid) => descriptorsOf(pid).some((link) => inodes.has(link)));
}

function listeningInodes(table: string, port: number): readonly string[] {
  const rows = (readText(table) ?? '').split('\n').slice(1);
  return rows.flatMap((row) => {
    const [, local, , state, , , , , , inode] = row.trim().split(/\s+/);
    const isListening = state === '0A' && Number.parseInt(local?.split(':')[1] ?? '', 16) === port;
    return isListening ? [`socket:[${inode}]`] : [];
  });
}

function descriptorsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((descriptor) => linkOf(`/proc/${pid}/fd/${descriptor}`) ?? '');
  } catch {
    return [];
  }
}

function processesWhere(matches: (pid: number) => boolean): readonly ProcessIdentity[] {
  return allPids()
    .filter((pid) => pid !== process.pid && matches(pid))
    .flatMap((pid) => identify(pid) ?? []);
}

function allPids(): readonly number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
