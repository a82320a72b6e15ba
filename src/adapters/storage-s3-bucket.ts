import type { Readable } from 'node:stream';
import type * as sdkModule from '@aws-sdk/client-s3';
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { S3Location } from '../contracts/s3-location.ts';
import type { ByteRange, StoredObject } from './storage.ts';

/** For services that have no regions. */
const DEFAULT_REGION = 'us-east-1';
const MISSING: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);

type Sdk = typeof sdkModule;

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of the only version that is wanted. Services may not know the condition, so look at the answer's too. */
  readonly etag?: string | undefined;
}

interface ObjectHead {
  readonly sizeBytes: number;
  /** ISO. */
  readonly modifiedAt: string;
  /** Empty where the service has none. */
  readonly etag: string;
}

interface OpenedVersion {
  readonly body: Readable;
  /** Of the whole object. */
  readonly sizeBytes: number;
  readonly etag: string;
}

/** One bucket, or a folder of it. The library is loaded by the first call, since most installations don't need it. */
export class Bucket {
  readonly #location: S3Location;
  #opened: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;

  constructor(location: S3Location) {
    this.#location = location;
  }

  keyOf(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#location.bucket, Key: `${this.#location.prefix}${name}` };
  }

  /** Runs commands of the library. */
  async run<T>(work: (client: S3Client, sdk: Sdk) => Promise<T>): Promise<T> {
    this.#opened ??= open(this.#location);
    const { client, sdk } = await this.#opened;
    return work(client, sdk);
  }

  /** Undefined when there is none of this name. */
  async stat(name: string): Promise<StoredObject | undefined> {
    const found = await this.head(name).catch(undefinedWhenMissing);
    return found && { name, sizeBytes: found.sizeBytes, modifiedAt: found.modifiedAt };
  }

  /** Rejects when there is none of this name. */
  async head(name: string, { signal, etag }: ReadOptions = {}): Promise<ObjectHead> {
    const request = { ...this.keyOf(name), ...(etag === undefined ? {} : { IfMatch: etag }) };
    const found = await this.run((client, sdk) => client.send(new sdk.HeadObjectCommand(request), optionsOf(signal)));
    const modifiedAt = (found.LastModified ?? new Date(0)).toISOString();
    return { sizeBytes: found.ContentLength ?? 0, modifiedAt, etag: found.ETag ?? '' };
  }

  /** Undefined when there is none of this name; `out_of_range` when it has no such bytes. */
  async get(name: string, range?: ByteRange): Promise<OpenedVersion | 'out_of_range' | undefined> {
    return this.open(name, range).catch((error: unknown) =>
      statusOf(error) === 416 ? ('out_of_range' as const) : undefinedWhenMissing(error),
    );
  }

  /** Rejects when there is none of this name, or no such bytes of it. */
  async open(
    name: string,
    { firstByte, lastByte }: ByteRange = { firstByte: 0 },
    { signal, etag }: ReadOptions = {},
  ): Promise<OpenedVersion> {
    const isWhole = firstByte === 0 && lastByte === undefined;
    const request = {
      ...this.keyOf(name),
      ...(isWhole ? {} : { Range: `bytes=${firstByte}-${lastByte ?? ''}` }),
      ...(etag === undefined ? {} : { IfMatch: etag }),
    };
    const answer = await this.run((client, sdk) => client.send(new sdk.GetObjectCommand(request), optionsOf(signal)));
    const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
    // In Node the library gives streams of Node.
    return { body: answer.Body as Readable, sizeBytes: Number(total ?? answer.ContentLength ?? 0), etag: answer.ETag ?? '' };
  }

  async put(name: string, body: Buffer, signal?: AbortSignal): Promise<void> {
    await this.run((client, sdk) =>
      client.send(new sdk.PutObjectCommand({ ...this.keyOf(name), Body: body, ContentLength: body.length }), optionsOf(signal)),
    );
  }

  async delete(name: string): Promise<void> {
    await this.run((client, sdk) => client.send(new sdk.DeleteObjectCommand(this.keyOf(name)))).catch(undefinedWhenMissing);
  }

  /** Objects by name, those after `after` only. */
  async list({ prefix, after, limit }: ListRequest): Promise<{ readonly objects: readonly StoredObject[]; readonly isMore: boolean }> {
    const { Key: start } = this.keyOf('');
    const request = { Bucket: this.#location.bucket, Prefix: `${start}${prefix}`, MaxKeys: limit, StartAfter: `${start}${after}` };
    const answer = await this.run((client, sdk) => client.send(new sdk.ListObjectsV2Command(request)));
    const objects = (answer.Contents ?? []).map(({ Key = '', Size = 0, LastModified = new Date(0) }) => ({
      name: Key.slice(start.length),
      sizeBytes: Size,
      modifiedAt: LastModified.toISOString(),
    }));
    return { objects, isMore: answer.IsTruncated === true };
  }

  /** All objects with the prefix: for prefixes of which there are few. */
  async all(prefix: string): Promise<readonly StoredObject[]> {
    const found: StoredObject[] = [];
    for (let after = ''; ;) {
      const { objects, isMore } = await this.list({ prefix, after, limit: 1_000 });
      found.push(...objects);
      if (!isMore) return found;
      after = objects.at(-1)?.name ?? '';
    }
  }
}

interface ListRequest {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
}

async function open({ endpoint, region, isPathStyle }: S3Location): Promise<{ readonly sdk: Sdk; readonly client: S3Client }> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined && endpoint === undefined ? {} : { region: region ?? DEFAULT_REGION }),
    forcePathStyle: isPathStyle,
    // Services other than Amazon's know no other.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { sdk, client };
}

export function optionsOf(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

export function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof Error && MISSING.has(error.name)) return undefined;
  throw error;
}

/** What a service answered to a command that failed. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && '$metadata' in error ? (error as S3ServiceException).$metadata.httpStatusCode : undefined;
}
