import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { MultipartUpload } from '@aws-sdk/client-s3';
import { type S3Location, parseS3Location } from '../contracts/s3-location.ts';
import { localCopy } from './local-copy.ts';
import { checkName, checkPrefix, StorageRangeError } from './storage-names.ts';
import { Bucket } from './storage-s3-bucket.ts';
import { createS3Partials } from './storage-s3-partials.ts';
import { putObject } from './storage-s3-put.ts';
import type { ByteRange, OpenedObject, Storage, StoragePage } from './storage.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
/** Sorts after every name that begins with a dot, and before all of ours. */
const AFTER_TEMPORARY = '.~';

/** Objects of the same names in a bucket of S3, or of what speaks like it; `workDir` takes copies for programs that need a file. */
export function createS3Storage(url: string, { workDir }: { readonly workDir: string }): Storage {
  const bucket = new Bucket(locationOf(url));
  return {
    async put(name, content, options) {
      checkName(name);
      return putObject(bucket, { name, content, signal: options?.signal });
    },
    async putFile(name, path, options) {
      checkName(name);
      const { sizeBytes } = await putObject(bucket, { name, content: createReadStream(path), signal: options?.signal });
      await rm(path);
      return { sizeBytes };
    },
    async get(name, range) {
      checkName(name);
      return openObject(bucket, name, range);
    },
    async openLocal(name, options) {
      checkName(name);
      return localCopy({ open: () => openObject(bucket, name, undefined), workDir, signal: options?.signal });
    },
    async stat(name) {
      checkName(name);
      return bucket.stat(name);
    },
    async delete(name) {
      checkName(name);
      await bucket.delete(name);
    },
    list: (options) => listObjects(bucket, options),
    async copy(from, to) {
      checkName(from);
      checkName(to);
      const source = await openObject(bucket, from, undefined);
      return source && putObject(bucket, { name: to, content: source.body, signal: undefined });
    },
    sweepTemporary: (olderThanMs) => sweep(bucket, olderThanMs),
    partials: createS3Partials(bucket),
  };
}

function locationOf(url: string): S3Location {
  try {
    return parseS3Location(url);
  } catch (error) {
    throw new Error(`STORAGE_URL: ${error instanceof Error ? error.message : 'is wrong.'}`, { cause: error });
  }
}

async function openObject(bucket: Bucket, name: string, range: ByteRange | undefined): Promise<OpenedObject | undefined> {
  const isAskable =
    range === undefined ||
    (Number.isSafeInteger(range.firstByte) && range.firstByte >= 0 && (range.lastByte ?? Infinity) >= range.firstByte);
  const found = isAskable ? await bucket.get(name, range) : 'out_of_range';
  // Of an empty object there are no ranges, and services differ in what they say to one.
  if (found !== 'out_of_range' && (range === undefined || found === undefined || found.sizeBytes > 0)) return found;
  if (found !== 'out_of_range') found?.body.destroy();
  const status = await bucket.stat(name);
  if (status === undefined) return undefined;
  throw new StorageRangeError(status.sizeBytes);
}

async function listObjects(bucket: Bucket, options: Parameters<Storage['list']>[0] = {}): Promise<StoragePage> {
  const { prefix = '', after, limit = DEFAULT_LIMIT } = options;
  checkPrefix(prefix);
  if (after !== undefined) checkName(after);
  const wanted = Math.min(Math.max(Math.trunc(limit), 1), MAX_LIMIT);
  const { objects, isMore } = await bucket.list({ prefix, after: after ?? AFTER_TEMPORARY, limit: wanted });
  return { objects, next: isMore ? objects.at(-1)?.name : undefined };
}

/** Puts of killed processes are uploads of parts that nobody ends. */
async function sweep(bucket: Bucket, olderThanMs: number): Promise<number> {
  const latestMs = Date.now() - olderThanMs;
  let removed = 0;
  for (const upload of await openUploads(bucket)) {
    const target = { Bucket: bucket.keyOf('').Bucket, Key: upload.Key, UploadId: upload.UploadId };
    if ((upload.Initiated?.getTime() ?? 0) > latestMs) continue;
    if ((await lastWrittenMs(bucket, target)) > latestMs) continue;
    await bucket.run((client, sdk) => client.send(new sdk.AbortMultipartUploadCommand(target)));
    removed += 1;
  }
  return removed;
}

/** When its last part came. */
async function lastWrittenMs(
  bucket: Bucket,
  target: { readonly Bucket: string; readonly Key: string | undefined; readonly UploadId: string | undefined },
): Promise<number> {
  let latestMs = 0;
  for (let marker = {}; ;) {
    const page = await bucket.run((client, sdk) => client.send(new sdk.ListPartsCommand({ ...target, ...marker })));
    for (const { LastModified } of page.Parts ?? []) latestMs = Math.max(latestMs, LastModified?.getTime() ?? 0);
    if (page.IsTruncated !== true) return latestMs;
    marker = { PartNumberMarker: page.NextPartNumberMarker };
  }
}

async function openUploads(bucket: Bucket): Promise<readonly MultipartUpload[]> {
  const { Bucket: name, Key: prefix } = bucket.keyOf('');
  const found: MultipartUpload[] = [];
  for (let markers = {}; ;) {
    const request = { Bucket: name, Prefix: prefix, ...markers };
    const page = await bucket.run((client, sdk) => client.send(new sdk.ListMultipartUploadsCommand(request))).catch(undefinedWhenNone);
    if (page === undefined) return found;
    found.push(...(page.Uploads ?? []));
    if (page.IsTruncated !== true) return found;
    markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
}

/** Some services say so where there is none at all. */
function undefinedWhenNone(error: unknown): undefined {
  if (error instanceof Error && error.name === 'NoSuchUpload') return undefined;
  throw error;
}
