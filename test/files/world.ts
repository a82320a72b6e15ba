import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Upload, type UploadOptions } from 'tus-js-client';
import type { FileSettings } from '../../src/api/lib/context.ts';
import type { StoredFile } from '../../src/contracts/files/file.ts';
import type { Operation } from '../../src/contracts/operation.ts';
import { type Answer, type Api, startApi } from '../api/fixture.ts';
import { type Core, startCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { useGround } from '../support/ground.ts';
import type { Gates } from './gates.ts';

export interface RawOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | ReadableStream<Uint8Array> | undefined;
  readonly key?: string | undefined;
}

export interface FileWorld {
  core(): Core;
  api(): Api;
  key(): string;
  tenantId(): string;
  /** Folder of the storage. */
  folder(): string;
  /** Any request, with the tenant's key unless said otherwise; bodies are sent as they are. */
  raw(method: string, path: string, options?: RawOptions): Promise<Answer>;
  /** The same, as a tus client: `Tus-Resumable`, and the type of a body. */
  tus(method: string, path: string, options?: RawOptions): Promise<Answer>;
  /** Begins an upload of so many bytes; answers with its path. */
  begin(lengthBytes: number, metadata?: Readonly<Record<string, string>>): Promise<string>;
  /** Uploads by tus-js-client; answers with the file's id. */
  upload(bytes: Buffer, options?: Partial<UploadOptions>): Promise<string>;
  /** Uploads by POST /v1/files and waits until it has been checked. */
  put(bytes: Buffer | string, name: string, type?: string): Promise<StoredFile>;
  file(id: string): Promise<StoredFile>;
  /** Waits until the file has this state. */
  reaches(id: string, state: string): Promise<StoredFile>;
  ends(operationId: string, status: string): Promise<Operation>;
  /**
   * The only try at this step was ended by the cancel, of which its next heartbeat told it, and not by a limit of time that it ran into: that
   * is what keeps a cancel within 5 s, and it can be seen on a machine of any speed. Gives what to print: when the step ended after the wish.
   */
  toldOfCancel(operationId: string, activity: string): Promise<string>;
  /** What lies in the temporary area for an upload. */
  partials(id: string): Promise<string[]>;
}

interface Timeline {
  readonly data: readonly {
    readonly activity: string;
    readonly attempt: number;
    readonly outcome?: string;
    readonly finishedAt?: string;
  }[];
}

export interface WorldOptions {
  readonly files?: Partial<FileSettings>;
  /** Asked for after the storage was started. */
  readonly environment?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** Stand between the product and its parts. */
  readonly gates?: Gates;
  /** Starts what the product reads or keeps bytes in; answers with a `STORAGE_URL`, where it is not a folder. */
  readonly startStorage?: () => Promise<string | undefined>;
}

const LIMITS: FileSettings = { maxBytes: 1024 ** 3, quotaBytes: 4 * 1024 ** 3, uploadExpiryMs: 3_600_000 };

/** The product without its processes: HTTP, core and workers in this one, over a storage folder of its own. */
export function useFileWorld({ files = {}, environment = {}, gates, startStorage }: WorldOptions = {}): FileWorld {
  let core: Core;
  let api: Api;
  let tenantId: string;
  let key: string;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nightshift-storage-'));
    const ground = await useGround();
    const storageUrl = (await startStorage?.()) ?? pathToFileURL(folder).href;
    core = await startCore(ground, {
      environment: {
        ...{ STORAGE_URL: storageUrl, WORK_DIR: `${folder}-work` },
        ...(typeof environment === 'function' ? environment() : environment),
      },
      ...(gates === undefined ? {} : { overrides: gates.around(storageUrl) }),
    });
    const { store, storage, sources, findBytes } = core.deps;
    api = await startApi({ store, storage, sources, findBytes, files: { ...LIMITS, ...files } }, ground);
    ({ id: tenantId, key } = await api.newTenant());
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    await core[Symbol.asyncDispose]();
    for (const path of [folder, `${folder}-work`]) await rm(path, { recursive: true, force: true });
  });

  async function raw(method: string, path: string, options: RawOptions = {}): Promise<Answer> {
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${options.key ?? key}`, ...options.headers },
      ...(options.body === undefined ? {} : { body: options.body, duplex: 'half' }),
    } as RequestInit); // `duplex` is not in the types of fetch yet
    const text = await response.text();
    const isJson = /^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: isJson && text !== '' ? JSON.parse(text) : {} };
  }

  function tus(method: string, path: string, options: RawOptions = {}): Promise<Answer> {
    const type = options.body === undefined ? {} : { 'Content-Type': 'application/offset+octet-stream' };
    return raw(method, path, { ...options, headers: { 'Tus-Resumable': '1.0.0', ...type, ...options.headers } });
  }

  async function until<T>(read: () => Promise<Answer>, isSo: (body: Answer['body']) => boolean): Promise<T> {
    return eventually(
      async () => {
        const { body } = await read();
        assert.ok(isSo(body), JSON.stringify(body));
        return body as T; // what the route answers
      },
      { timeoutMs: 60_000 },
    );
  }

  const reaches = (id: string, state: string): Promise<StoredFile> =>
    until(
      () => raw('GET', `/v1/files/${id}`),
      (body) => body.state === state,
    );

  return {
    core: () => core,
    api: () => api,
    key: () => key,
    tenantId: () => tenantId,
    folder: () => folder,
    raw,
    tus,
    async begin(lengthBytes, metadata = {}) {
      const text = Object.entries(metadata)
        .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
        .join(',');
      const answer = await tus('POST', '/v1/uploads', {
        headers: { 'Upload-Length': String(lengthBytes), ...(text === '' ? {} : { 'Upload-Metadata': text }) },
      });
      assert.equal(answer.status, 201, answer.text);
      return answer.headers.get('location') ?? '';
    },
    upload: (bytes, options) => uploadByTus(`${api.url}/v1/uploads`, { bytes, key, options }),
    async put(bytes, name, type = 'application/octet-stream') {
      const answer = await raw('POST', `/v1/files?name=${encodeURIComponent(name)}`, {
        body: bytes,
        headers: { 'Content-Type': type, Prefer: 'wait=25' },
      });
      assert.equal(answer.status, 200, answer.text);
      return (await raw('GET', answer.body.links.resource)).body as StoredFile; // what the route answers
    },
    async file(id) {
      return (await raw('GET', `/v1/files/${id}`)).body as StoredFile; // what the route answers
    },
    reaches,
    ends: (operationId, status) =>
      until(
        () => raw('GET', `/v1/operations/${operationId}`),
        (body) => body.status === status,
      ),
    async toldOfCancel(operationId, activity) {
      let endedAt: string | undefined;
      await holds(async () => {
        const { data } = (await raw('GET', `/v1/operations/${operationId}/timeline`)).body as Timeline;
        const tries = data.filter((entry) => entry.activity === activity);
        assert.deepEqual(
          tries.map(({ attempt, outcome }) => [attempt, outcome]),
          [[1, 'cancelled']],
        );
        endedAt = tries[0]?.finishedAt;
      });
      const [row] = await api.sql(tenantId, 'select cancel_requested_at from operation where id = $1', [operationId]);
      const askedAt = row?.['cancel_requested_at'];
      assert.ok(askedAt instanceof Date && endedAt !== undefined);
      return `the cancel ended the step after ${Date.parse(endedAt) - askedAt.getTime()} ms`;
    },
    partials: (id) => readdir(join(folder, '.temporary/uploads', id)).catch(() => []),
  };
}

interface TusUpload {
  readonly bytes: Buffer;
  readonly key: string;
  readonly options?: Partial<UploadOptions> | undefined;
}

/** As a program or a browser would, with the client that most of them use. */
export function uploadByTus(endpoint: string, { bytes, key, options = {} }: TusUpload): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const upload = new Upload(Readable.from(bytes, { objectMode: false }) as never, {
    endpoint,
    headers: { Authorization: `Bearer ${key}` },
    uploadSize: bytes.length,
    chunkSize: 1024 * 1024,
    retryDelays: [0, 200, 500, 1_000, 2_000, 5_000, 5_000],
    ...options,
    onError: reject,
    onSuccess: () => resolve(upload.url?.split('/').at(-1) ?? ''),
  });
  upload.start();
  return promise;
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Text that no detector takes for anything else, different every time. */
export function textOf(sizeBytes: number): Buffer {
  const line = `${randomBytes(24).toString('hex')} some words of a text\n`;
  return Buffer.from(line.repeat(Math.ceil(sizeBytes / line.length)).slice(0, sizeBytes));
}

/** Waits until the assertions of `check` hold, however slow the machine is. */
export async function holds(check: () => Promise<void>): Promise<void> {
  await eventually(
    async () => {
      await check();
      return true;
    },
    { timeoutMs: 60_000 },
  );
}
