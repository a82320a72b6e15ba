import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath, rename, rm, rmdir, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { listFiles } from './storage-file-list.ts';
import { checkName, StorageNameError, StorageRangeError } from './storage-names.ts';
import type { ByteRange, OpenedObject, Storage, StoredContent, StoredObject } from './storage.ts';

/** No object is here: names do not begin with a dot. In the root, so that a rename never crosses file systems. */
const TEMPORARY_FOLDER = '.temporary';
/** A delete may remove the folder that a put has just made; it makes it again. */
const MAX_RENAMES = 100;
const ONLY_US = 0o700;
const ONLY_OUR_FILES = 0o600;

/** Objects as files of the same names in a folder, which it makes when it is missing. */
export function createFileStorage(folder: string): Storage {
  const root = new Root(folder);
  return {
    async put(name, content, options) {
      checkName(name);
      return put(root, { name, content, signal: options?.signal });
    },
    async get(name, range) {
      checkName(name);
      return openObject(await root.find(name), range);
    },
    async stat(name) {
      checkName(name);
      return statObject(await root.find(name), name);
    },
    async delete(name) {
      checkName(name);
      await remove(root, name);
    },
    async list(options) {
      return listFiles(await root.path(), options);
    },
    async copy(from, to) {
      checkName(from);
      checkName(to);
      const source = await openObject(await root.find(from), undefined);
      return source && put(root, { name: to, content: source.body, signal: undefined });
    },
    sweepTemporary: (olderThanMs) => sweep(root, olderThanMs),
  };
}

/** The folder of all objects, made at the first call. */
class Root {
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
}

interface PutRequest {
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal | undefined;
}

async function put(root: Root, { name, content, signal }: PutRequest): Promise<StoredContent> {
  // It may break before it is read; reading it tells.
  if (content instanceof Readable) content.on('error', () => undefined);
  const path = join(await root.path(), name);
  const temporary = join(await root.path(), TEMPORARY_FOLDER, randomUUID());
  try {
    const stored = await write(temporary, content, signal);
    signal?.throwIfAborted();
    for (let renames = 1; ; renames += 1) {
      const folders = await root.makeFolders(name).catch((error: unknown) => ignore(error, renames < MAX_RENAMES ? 'ENOENT' : ''));
      const isThere = folders !== undefined && (await moveTo(temporary, path, renames < MAX_RENAMES));
      if (isThere) {
        // All of them: a folder that another put has made and not yet flushed would take ours with it.
        for (const folder of folders) await flushFolder(folder);
        return stored;
      }
    }
  } catch (error) {
    if (content instanceof Readable) content.destroy();
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes a new file, and is back when the disk has it. */
async function write(path: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<StoredContent> {
  const file = await open(path, 'wx', ONLY_OUR_FILES);
  try {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const drain = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of source) {
        hash.update(chunk);
        await writeAll(file, chunk);
        sizeBytes += chunk.byteLength;
      }
    };
    // It destroys the content when writing fails, and ends writing when the content fails.
    await pipeline(content, drain, signal === undefined ? {} : { signal });
    await file.sync();
    return { sizeBytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength;) {
    const { bytesWritten } = await file.write(chunk, offset);
    offset += bytesWritten;
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

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(undefinedWhenMissing);
  try {
    // One that is gone again held nothing.
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}

async function openObject(path: string | undefined, range: ByteRange | undefined): Promise<OpenedObject | undefined> {
  const file = path === undefined ? undefined : await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(undefinedWhenMissing);
  if (file === undefined) {
    return undefined;
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) {
      await file.close();
      return undefined;
    }
    const sizeBytes = status.size;
    if (range === undefined) {
      return { body: file.createReadStream(), sizeBytes };
    }
    const { firstByte, lastByte = sizeBytes - 1 } = range;
    const isWithin = Number.isSafeInteger(firstByte) && firstByte >= 0 && firstByte < sizeBytes && lastByte >= firstByte;
    if (!isWithin) throw new StorageRangeError(sizeBytes);
    return { body: file.createReadStream({ start: firstByte, end: Math.min(lastByte, sizeBytes - 1) }), sizeBytes };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function statObject(path: string | undefined, name: string): Promise<StoredObject | undefined> {
  const status = path === undefined ? undefined : await lstat(path).catch(undefinedWhenMissing);
  return status?.isFile() === true ? { name, sizeBytes: status.size, modifiedAt: status.mtime.toISOString() } : undefined;
}

async function remove(root: Root, name: string): Promise<void> {
  const path = await root.find(name);
  const status = path === undefined ? undefined : await lstat(path).catch(undefinedWhenMissing);
  if (path === undefined || status?.isFile() !== true) {
    return;
  }
  await unlink(path).catch(undefinedWhenMissing);
  await flushFolder(dirname(path));
  const top = await root.path();
  for (let folder = dirname(path); folder !== top; folder = dirname(folder)) {
    const isGone = await rmdir(folder).then(
      () => true,
      () => false,
    );
    // It holds something, or somebody else was quicker.
    if (!isGone) return;
  }
}

async function sweep(root: Root, olderThanMs: number): Promise<number> {
  const folder = join(await root.path(), TEMPORARY_FOLDER);
  // Of the machine's clock, as the times of files are.
  const latestMs = Date.now() - olderThanMs;
  let removed = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const status = await lstat(path).catch(undefinedWhenMissing);
    if (status?.isFile() === true && status.mtimeMs <= latestMs) {
      await rm(path, { force: true });
      removed += 1;
    }
  }
  return removed;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function ignore(error: unknown, code: string): undefined {
  if (codeOf(error) !== code) throw error;
}

function undefinedWhenMissing(error: unknown): undefined {
  // ENOTDIR: a part of the name is an object.
  if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
}
