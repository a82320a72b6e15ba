import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Of another machine, or container, nobody here can tell who is alive; no work takes so long. */
const KEEP_FOREIGN_MS = 7 * 86_400_000; // 7 days

/** What a name in the folder says of the process that made it. */
interface Maker {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** A name in the folder for what this process needs for a while; what is there goes when the process is found dead. */
export function newWorkPath(folder: string): string {
  return join(folder, `${ownHost()}_${process.pid}_${startOf(process.pid) ?? '0'}_${randomUUID()}`);
}

/**
 * Makes the folder, and removes what killed processes left in it. A process is known by its machine's name, its id and when it started: in a
 * container the next main process has the id of the last, and on a shared folder a process elsewhere may have one that nobody has here.
 */
export async function openWorkFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (await isLeft(path, makerOf(name))) await rm(path, { recursive: true, force: true });
  }
}

function makerOf(name: string): Maker | undefined {
  const [, host, pid, startedAt] = /^([A-Za-z0-9-]+)_(\d+)_(\d+)_[0-9a-f-]{36}$/.exec(name) ?? [];
  return host === undefined || startedAt === undefined ? undefined : { host, pid: Number(pid), startedAt };
}

async function isLeft(path: string, maker: Maker | undefined): Promise<boolean> {
  // Not ours.
  if (maker === undefined) return false;
  if (maker.host === ownHost()) return !isAlive(maker);
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > KEEP_FOREIGN_MS;
}

function isAlive({ pid, startedAt }: Maker): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  const current = startOf(pid);
  return current === undefined || current === startedAt;
}

function ownHost(): string {
  return hostname().replaceAll(/[^A-Za-z0-9-]/g, '-');
}

/** In ticks since the machine started; undefined where the system does not tell. */
function startOf(pid: number): string | undefined {
  try {
    // After the name of the program, which may have blanks and brackets in it.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ')[19];
  } catch {
    return undefined;
  }
}
