import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { checkName, checkPrefix } from './storage-names.ts';
import type { Storage, StoragePage, StoredObject } from './storage.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
/** Anything else is no object and no folder of one: temporary files, and what other programs leave. */
const OURS = /^[a-z0-9_-][a-z0-9_.-]*$/;

/** Walks the folders that the prefix and the page concern, and no other. */
export async function listFiles(root: string, options: Parameters<Storage['list']>[0] = {}): Promise<StoragePage> {
  const { prefix = '', after, limit = DEFAULT_LIMIT } = options;
  checkPrefix(prefix);
  if (after !== undefined) checkName(after);
  const wanted = Math.min(Math.max(Math.trunc(limit), 1), MAX_LIMIT);
  const objects: StoredObject[] = [];
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (!(await isWithin(root, folder))) {
    return { objects, next: undefined };
  }
  for await (const object of walk(root, { folder, prefix, after })) {
    if (objects.length === wanted) {
      return { objects, next: objects.at(-1)?.name };
    }
    objects.push(object);
  }
  return { objects, next: undefined };
}

/** Whether the folder is there, and no symbolic link leads out of the root on the way to it. */
async function isWithin(root: string, folder: string): Promise<boolean> {
  const path = resolve(root, folder);
  return (await realpath(path).catch(() => undefined)) === path;
}

interface Walk {
  /** The part of the name that is the folder: empty, or with a slash at its end. */
  readonly folder: string;
  readonly prefix: string;
  readonly after: string | undefined;
}

async function* walk(root: string, { folder, prefix, after }: Walk): AsyncGenerator<StoredObject> {
  // A folder sorts by what its names begin with: `a-b` before `a/b`.
  const names = (await entriesOf(join(root, folder))).map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
  for (const name of names.toSorted(byCodeUnits)) {
    if (name.endsWith('/')) {
      const mayHold =
        (name.startsWith(prefix) || prefix.startsWith(name)) && (after === undefined || name > after || after.startsWith(name));
      if (mayHold) yield* walk(root, { folder: name, prefix, after });
    } else if (name.startsWith(prefix) && (after === undefined || name > after)) {
      const status = await lstat(join(root, name)).catch(() => undefined);
      // One that was deleted meanwhile, or is nothing of ours.
      if (status?.isFile() === true) yield { name, sizeBytes: status.size, modifiedAt: status.mtime.toISOString() };
    }
  }
}

async function entriesOf(path: string) {
  try {
    return (await readdir(path, { withFileTypes: true })).filter(({ name }) => OURS.test(name));
  } catch (error) {
    // A folder that is gone holds nothing.
    const isGone = error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
    if (isGone) return [];
    throw error;
  }
}

function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : 1;
}
