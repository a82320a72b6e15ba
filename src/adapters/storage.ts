import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { Partials } from './partials.ts';
import { createFileStorage } from './storage-file.ts';
import { createS3Storage } from './storage-s3.ts';

/** What was stored, found out while it was. */
export interface StoredContent {
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** An object as lists show it. */
export interface StoredObject {
  readonly name: string;
  readonly sizeBytes: number;
  /** ISO; when it was put. */
  readonly modifiedAt: string;
}

/** Which bytes of an object: the last one is included, as in HTTP, and is the object's last when left out or too large. */
export interface ByteRange {
  readonly firstByte: number;
  readonly lastByte?: number;
}

/** Content of an object, as it was when it was asked for: a put or delete that comes later doesn't change it. */
export interface OpenedObject {
  /** Must be read or destroyed. */
  readonly body: Readable;
  /** Of the whole object. */
  readonly sizeBytes: number;
}

/** An object as a file of this machine, for programs that need one. Only read; gone when it is disposed of, where it was a copy. */
export interface LocalFile extends AsyncDisposable {
  readonly path: string;
  readonly sizeBytes: number;
}

/** A part of a list. */
export interface StoragePage {
  readonly objects: readonly StoredObject[];
  /** What `after` is for the next page; undefined after the last. */
  readonly next: string | undefined;
}

/**
 * Bytes under names made by us: small letters, digits, `_ - . /`. A name must not be the folder of another (`a` beside `a/b`). Objects appear
 * whole or not at all, and one that was put survives a crash of the machine. No call takes memory by the size of an object. Every call rejects
 * with a StorageNameError when a name is none of ours.
 */
export interface Storage {
  /**
   * Stores an object, in the place of the one of this name; of several at a time the last to end wins. When it rejects, or the process dies,
   * what was there before is there still. Asks for the next piece of the content when it is done with the one before. Idempotent.
   */
  put(name: string, content: AsyncIterable<Uint8Array>, options?: { readonly signal?: AbortSignal }): Promise<StoredContent>;
  /**
   * Like a put of what a file of this machine holds, which is gone afterwards, or left when it rejects. A driver that is a folder of the same disk
   * moves it. Nobody else may use the file. Resolves to its size; nobody hashes it.
   */
  putFile(name: string, path: string, options?: { readonly signal?: AbortSignal }): Promise<Pick<StoredContent, 'sizeBytes'>>;
  /**
   * Undefined when there is none of this name.
   * @throws {StorageRangeError} when the range begins at or after the end of the object
   */
  get(name: string, range?: ByteRange): Promise<OpenedObject | undefined>;
  /** Undefined when there is none of this name. A driver that is no folder fetches it first. */
  openLocal(name: string, options?: { readonly signal?: AbortSignal }): Promise<LocalFile | undefined>;
  /** Undefined when there is none of this name. */
  stat(name: string): Promise<StoredObject | undefined>;
  /** Idempotent: one that is not there is deleted. */
  delete(name: string): Promise<void>;
  /** Objects whose names begin with the prefix, by code units of their names, those after `after` only; 1,000 at most, 100 by default. */
  list(options?: { readonly prefix?: string; readonly after?: string; readonly limit?: number }): Promise<StoragePage>;
  /** Like a put of what `from` holds. Undefined when there is none of this name. */
  copy(from: string, to: string): Promise<StoredContent | undefined>;
  /**
   * Removes what puts of killed processes left and nobody wrote to for this long; a put that stands still for longer fails. Resolves to how
   * many there were.
   */
  sweepTemporary(olderThanMs: number): Promise<number>;
  /** Objects that are still being received. */
  readonly partials: Partials;
}

export interface StorageOptions {
  /** For copies of objects that programs need as files, where the driver is no folder. */
  readonly workDir?: string;
}

/**
 * The driver that the URL's scheme chooses: `file:` with a folder, absolute (`file:///var/lib/nightshift/files`) or from the working directory
 * (`file:./files`); `s3:` with a bucket (`s3://bucket/folder?endpoint=…&region=…`). Touches nothing before the first call.
 * @throws {Error} saying what is wrong with the URL
 */
export function createStorage(url: string, { workDir = join(tmpdir(), 'nightshift-work') }: StorageOptions = {}): Storage {
  const scheme = /^[a-z0-9+.-]+:/i.exec(url)?.[0].toLowerCase();
  if (scheme === 'file:') {
    return createFileStorage(folderOf(url));
  }
  if (scheme === 's3:') return createS3Storage(url, { workDir });
  throw new Error('STORAGE_URL: must begin with file: or s3:, as in file:///var/lib/nightshift/files.');
}

function folderOf(url: string): string {
  const isRelative = /^file:[^/]/i.test(url);
  let folder;
  try {
    folder = isRelative ? resolve(decodeURIComponent(url.slice('file:'.length))) : fileURLToPath(url);
  } catch (error) {
    throw new Error('STORAGE_URL: is no URL of a folder on this machine, such as file:///var/lib/nightshift/files.', { cause: error });
  }
  if (resolve(folder) === resolve('/')) {
    throw new Error('STORAGE_URL: names no folder, or the root of all; give one of its own.');
  }
  return folder;
}
