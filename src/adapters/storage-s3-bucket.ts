import type { Readable } from 'node:stream';
import type * as sdkModule from '@aws-sdk/client-s3';
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { ByteRange, StoredObject } from './storage.ts';

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[a-zA-Z0-9][a-zA-Z0-9/_.-]*$/;
const PARAMETERS: ReadonlySet<string> = new Set(['endpoint', 'region', 'pathStyle']);
/** For services that have no regions. */
const DEFAULT_REGION = 'us-east-1';
const MISSING: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);

export interface BucketLocation {
  readonly bucket: string;
  /** Empty, or with a slash at its end. */
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly isPathStyle: boolean;
}

/**
 * `s3://bucket/folder?endpoint=https://…&region=…`.
 * @throws {Error} saying what is wrong with it
 */
export function bucketLocationOf(url: string): BucketLocation {
  const parsed = URL.parse(url);
  if (parsed === null || !BUCKET.test(parsed.hostname)) throw new Error('STORAGE_URL: must name a bucket, as in s3://my-bucket.');
  if (parsed.username !== '' || parsed.password !== '')
    throw new Error('STORAGE_URL: must hold no secrets; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role.');
  const unknown = [...parsed.searchParams.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) throw new Error(`STORAGE_URL: knows endpoint, region and pathStyle, and no ${unknown}.`);
  const endpoint = parsed.searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\/./.test(endpoint))
    throw new Error('STORAGE_URL: endpoint must be an address with http: or https:.');
  const prefix = parsed.pathname.replace(/^\/+|\/+$/g, '');
  if (prefix !== '' && !PREFIX.test(prefix)) throw new Error('STORAGE_URL: the folder may have letters, digits, - _ . and / only.');
  const pathStyle = parsed.searchParams.get('pathStyle');
  return {
    bucket: parsed.hostname,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region: parsed.searchParams.get('region') ?? undefined,
    isPathStyle: pathStyle === null ? endpoint !== undefined : pathStyle !== '0' && pathStyle !== 'false',
  };
}

type Sdk = typeof sdkModule;

/** One bucket, or a folder of it. The library is loaded by the first call, since most installations don't need it. */
export class Bucket {
  readonly #location: BucketLocation;
  #opened: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;

  constructor(location: BucketLocation) {
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
    const found = await this.run((client, sdk) => client.send(new sdk.HeadObjectCommand(this.keyOf(name)))).catch(undefinedWhenMissing);
    if (found === undefined) return undefined;
    return { name, sizeBytes: found.ContentLength ?? 0, modifiedAt: (found.LastModified ?? new Date(0)).toISOString() };
  }

  /** Undefined when there is none of this name; `out_of_range` when it has no such bytes. */
  async get(
    name: string,
    { firstByte, lastByte }: ByteRange = { firstByte: 0 },
  ): Promise<{ readonly body: Readable; readonly sizeBytes: number } | 'out_of_range' | undefined> {
    const isWhole = firstByte === 0 && lastByte === undefined;
    const range = isWhole ? {} : { Range: `bytes=${firstByte}-${lastByte ?? ''}` };
    const answer = await this.run((client, sdk) => client.send(new sdk.GetObjectCommand({ ...this.keyOf(name), ...range }))).catch(
      (error: unknown) => (statusOf(error) === 416 ? ('out_of_range' as const) : undefinedWhenMissing(error)),
    );
    if (answer === undefined || answer === 'out_of_range') return answer;
    const total = /\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1];
    // In Node the library gives streams of Node.
    return { body: answer.Body as Readable, sizeBytes: Number(total ?? answer.ContentLength ?? 0) };
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

async function open({ endpoint, region, isPathStyle }: BucketLocation): Promise<{ readonly sdk: Sdk; readonly client: S3Client }> {
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

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && '$metadata' in error ? (error as S3ServiceException).$metadata.httpStatusCode : undefined;
}
