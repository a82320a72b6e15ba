import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { lstat, open, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { listFiles } from './storage-file-list.ts';
import { createFilePartials } from './storage-file-partials.ts';
import { flushFolder, ONLY_OUR_FILES, Root, TEMPORARY_FOLDER, undefinedWhenMissing } from './storage-file-root.ts';
import { checkName, StorageRangeError } from './storage-names.ts';
import { writeAll } from './write-all.ts';
import type { ByteRange, LocalFile, OpenedObject, Storage, StoredContent, StoredObject } from './storage.ts';

/** Fewer and larger reads than usual cost half as much. */
const READ_BYTES = 512 * 1024;

/** Objects as files of the same names in a folder, which it makes when it is missing. */
export function createFileStorage(folder: string): Storage {
  const root = new Root(folder);
  return {
    async put(name, content, options) {
      checkName(name);
      return put(root, { name, content, signal: options?.signal });
    },
    async putFile(name, path, options) {
      checkName(name);
      return putFile(root, { name, path, signal: options?.signal });
    },
    async get(name, range) {
      checkName(name);
      return openObject(await root.find(name), range);
    },
    async openLocal(name) {
      checkName(name);
      return localFile(await root.find(name));
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
    partials: createFilePartials(root),
  };
}

interface PutRequest {
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal | undefined;
}

async function put(root: Root, { name, content, signal }: PutRequest): Promise<StoredContent> {
  // It may break before it is read; reading it tells.
  if (content instanceof Readable) content.on('error', () => undefined);
  const temporary = join(await root.path(), TEMPORARY_FOLDER, randomUUID());
  try {
    const stored = await write(temporary, content, signal);
    signal?.throwIfAborted();
    await root.publish(temporary, name);
    return stored;
  } catch (error) {
    if (content instanceof Readable) content.destroy();
    await rm(temporary, { force: true });
    throw error;
  }
}

interface PutFileRequest extends Pick<PutRequest, 'name' | 'signal'> {
  readonly path: string;
}

async function putFile(root: Root, { name, path, signal }: PutFileRequest): Promise<{ readonly sizeBytes: number }> {
  await root.path();
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  let sizeBytes;
  try {
    await file.chmod(ONLY_OUR_FILES);
    await file.sync();
    ({ size: sizeBytes } = await file.stat());
  } finally {
    await file.close();
  }
  signal?.throwIfAborted();
  try {
    await root.publish(path, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    await put(root, { name, content: createReadStream(path, { highWaterMark: READ_BYTES }), signal });
    await rm(path);
  }
  return { sizeBytes };
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
      return { body: file.createReadStream({ highWaterMark: READ_BYTES }), sizeBytes };
    }
    const { firstByte, lastByte = sizeBytes - 1 } = range;
    const isWithin = Number.isSafeInteger(firstByte) && firstByte >= 0 && firstByte < sizeBytes && lastByte >= firstByte;
    if (!isWithin) throw new StorageRangeError(sizeBytes);
    return {
      body: file.createReadStream({ highWaterMark: READ_BYTES, start: firstByte, end: Math.min(lastByte, sizeBytes - 1) }),
      sizeBytes,
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function localFile(path: string | undefined): Promise<LocalFile | undefined> {
  const status = path === undefined ? undefined : await lstat(path).catch(undefinedWhenMissing);
  if (path === undefined || status?.isFile() !== true) return undefined;
  return { path, sizeBytes: status.size, [Symbol.asyncDispose]: () => Promise.resolve() };
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
