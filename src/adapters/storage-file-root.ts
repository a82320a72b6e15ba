import { lstat, mkdir, open, realpath, rename } from 'node:fs/promises';
import { join } from 'node:path';

import { StorageNameError } from './storage-names.ts';

/** No object is here: names do not begin with a dot. In the root, so that a rename never crosses file systems. */
export const TEMPORARY_FOLDER = '.temporary';
/** A delete may remove the folder that a put has just made; it makes it again. */
const MAX_RENAMES = 100;
const ONLY_US = 0o700;
export const ONLY_OUR_FILES = 0o600;

/** The folder of all objects, made at the first call. */
export class Root {
  readonly #folder: string;
  #path: Promise<string> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Without symbolic links, so that every path in it can be compared with what it leads to. */
  path(): Promise<string> {
    this.#path ??= this.#make().catch((error: unknown) => {
      // The next call tries again: a volume may come later than we do.
      this.#path = undefined;
      throw error;
    });
    return this.#path;
  }

  async #make(): Promise<string> {
    await mkdir(join(this.#folder, TEMPORARY_FOLDER), { recursive: true, mode: ONLY_US });
    return realpath(this.#folder);
  }

  /**
   * Where an object is, when it is there.
   * @throws {StorageNameError} when a symbolic link leads elsewhere
   */
  async find(name: string): Promise<string | undefined> {
    const path = join(await this.path(), name);
    const real = await realpath(path).catch(undefinedWhenMissing);
    if (real !== undefined && real !== path) {
      throw new StorageNameError('An object is a symbolic link, or in a folder that is one.');
    }
    return real;
  }

  /** Makes the folders of a name, none of which may be a symbolic link, and gives them, the innermost first. */
  async makeFolders(name: string): Promise<readonly string[]> {
    const folders = [await this.path()];
    for (const segment of name.split('/').slice(0, -1)) {
      const path = join(folders[0] ?? '', segment);
      await mkdir(path, { mode: ONLY_US }).catch((error: unknown) => ignore(error, 'EEXIST'));
      if (!(await lstat(path)).isDirectory()) {
        throw new StorageNameError('A folder of an object is an object, or a symbolic link.');
      }
      folders.unshift(path);
    }
    return folders;
  }

  /** Gives a file of the temporary folder the name of an object, in the place of what had it, and is back when the disk knows. */
  async publish(temporary: string, name: string): Promise<void> {
    const path = join(await this.path(), name);
    for (let renames = 1; ; renames += 1) {
      const folders = await this.makeFolders(name).catch((error: unknown) => ignore(error, renames < MAX_RENAMES ? 'ENOENT' : ''));
      const isThere = folders !== undefined && (await moveTo(temporary, path, renames < MAX_RENAMES));
      if (!isThere) continue;
      // All of them: a folder that another put has made and not yet flushed would take ours with it.
      for (const folder of folders) await flushFolder(folder);
      return;
    }
  }
}

/** False when the folder is gone and it should be tried again. */
async function moveTo(temporary: string, path: string, mayRetry: boolean): Promise<boolean> {
  try {
    await rename(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EISDIR' || codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') {
      throw new StorageNameError('An object has the name of a folder.', { cause: error });
    }
    const isThere = mayRetry && codeOf(error) === 'ENOENT' && (await lstat(temporary).catch(undefinedWhenMissing)) !== undefined;
    if (!isThere) throw error;
    return false;
  }
}

/** A folder's entries survive a crash only once it is flushed itself. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(undefinedWhenMissing);
  try {
    // One that is gone again held nothing.
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function ignore(error: unknown, code: string): undefined {
  if (codeOf(error) !== code) throw error;
}

export function undefinedWhenMissing(error: unknown): undefined {
  // ENOTDIR: a part of the name is an object.
  if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
}
