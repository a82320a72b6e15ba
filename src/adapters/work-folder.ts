import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A name in the folder for what this process needs for a while; what is there goes when the process is found dead. */
export function newWorkPath(folder: string): string {
  return join(folder, `${process.pid}-${randomUUID()}`);
}

/** Makes the folder, and removes what killed processes left in it. */
export async function openWorkFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const pid = Number(/^(\d+)-[0-9a-f-]{36}$/.exec(name)?.[1]);
    if (Number.isSafeInteger(pid) && !isAlive(pid)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
