import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { createUnsetPayments } from '../../src/adapters/payments-unset.ts';
import { createFindBytes } from '../../src/adapters/file-bytes.ts';
import { createSources } from '../../src/adapters/sources.ts';
import { createStorage } from '../../src/adapters/storage.ts';
import { createTemplateFolder } from '../../src/adapters/templates-folder.ts';
import { createApp } from '../../src/api/app.ts';
import type { ApiContext } from '../../src/api/lib/context.ts';
import { createHttpServer } from '../../src/api/lib/http-server.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { FEATURES } from '../../src/contracts/features.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { Problem } from '../../src/contracts/problems.ts';
import { startStreamHub } from '../../src/control/stream-hub.ts';
import { isConnectionError, openDatabases } from '../../src/store/database.ts';
import { type Store, createStore } from '../../src/store/index.ts';
import { type GroundDatabase, useDatabase } from '../support/ground.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON body; an empty object when there is none. */
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into answers of every shape
}

export interface CallOptions {
  readonly key?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TokenOptions {
  readonly subject?: string;
  readonly scopes?: readonly string[];
  readonly resources?: readonly string[];
  readonly expiresAt?: Date;
}

export interface Api extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly context: ApiContext;
  readonly stop: AbortController;
  /** What was logged, parsed. */
  readonly logged: Record<string, unknown>[];
  /** A platform key. */
  readonly platformKey: string;
  /** A key of a new tenant, with all scopes. */
  newTenant(): Promise<{ readonly id: string; readonly key: string }>;
  newKey(tenantId: string, scopes: readonly string[], expiresAt?: Date): Promise<{ readonly id: string; readonly key: string }>;
  /** A token with all rights that tokens have over what is `u_1`'s, unless said otherwise. */
  newToken(tenantId: string, options?: TokenOptions): Promise<{ readonly id: string; readonly key: string }>;
  /** A file that is ready, with the id of the examples. */
  newFile(tenantId: string): Promise<void>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Runs SQL as a tenant: for what no route shows or does. */
  sql(tenantId: string, text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

let count = 0;

/** The HTTP side over a real database; nothing starts the work that it accepts. */
export async function startApi(overrides: Partial<ApiContext> = {}, database?: GroundDatabase, listenAt = 0): Promise<Api> {
  const { databaseUrl } = database ?? (await useDatabase());
  const databases = openDatabases({ url: databaseUrl, systemUrl: databaseUrl, directUrl: databaseUrl, poolSize: 10 });
  const store = createStore(databases, createDispatchBridge());
  const logged: Record<string, unknown>[] = [];
  const log = collectingLog(logged);
  const hub = startStreamHub(store.streams, log);
  const stop = new AbortController();
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-files-'));
  const storage = overrides.storage ?? createStorage(pathToFileURL(folder).href);
  const sources = createSources({ rules: [], workDir: folder });
  const context: ApiContext = {
    http: { publicUrl: 'http://nightshift.test', corsOrigins: [], bodyLimitBytes: 100_000, rateLimitPerMinute: 1_000_000 },
    store,
    hub,
    templates: createTemplateFolder(new URL('../../templates/email', import.meta.url).pathname),
    catalogue: store.products.catalogue,
    shop: { name: 'Test shop', tenantId: 't1' },
    payments: createUnsetPayments(),
    payWithinMs: 1_800_000,
    storage,
    sources,
    findBytes: createFindBytes({ storage, sources }),
    files: { maxBytes: 1_000_000, quotaBytes: 10_000_000, uploadExpiryMs: 3_600_000 },
    kinds: KINDS,
    features: FEATURES,
    clock: () => new Date(),
    log,
    registry: new Registry(),
    version: '0.0.0-test',
    shuttingDown: stop.signal,
    health: () => Promise.resolve({ ready: true, checks: { database: { ok: true } } }),
    isUnavailable: isConnectionError,
    ...overrides,
  };
  const server = createHttpServer(await createApp(context), context.http.publicUrl);
  server.listen(listenAt, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on a port
  const url = `http://127.0.0.1:${port}`;
  const platformKey = store.system.apiKeys.newSecret().secret;
  await store.system.apiKeys.ensure({ secret: platformKey, kind: 'platform', name: 'test', now: new Date() });
  const pool = new pg.Pool({ connectionString: databaseUrl, options: '-c role=nightshift_app', max: 4 });

  async function sql(tenantId: string, text: string, values: readonly unknown[] = []) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query("select set_config('app.tenant', $1, true)", [tenantId]);
      const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
      await client.query('commit');
      return rows;
    } finally {
      client.release();
    }
  }

  async function newKey(tenantId: string, scopes: readonly string[], expiresAt?: Date) {
    const made = await store.apiKeys.create({ tenantId, name: 'test', scopes, expiresAt, actor: { actor: 'test' }, now: new Date() });
    if (made.outcome !== 'created') throw new Error(made.outcome);
    return { id: made.key.id, key: made.secret };
  }

  async function newToken(tenantId: string, options: TokenOptions = {}) {
    const made = await store.apiKeys.create({
      ...{
        tenantId,
        kind: 'token',
        name: 'test',
        subject: 'u_1',
        scopes: ['operations:read', 'operations:write', 'email:*', 'files:*', 'checkout:*'],
      },
      ...{ expiresAt: new Date(Date.now() + 600_000), actor: { actor: 'test' }, now: new Date(), ...options },
    });
    if (made.outcome !== 'created') throw new Error(made.outcome);
    return { id: made.key.id, key: made.secret };
  }

  async function newFile(tenantId: string) {
    await sql(
      tenantId,
      `insert into file (id, tenant_id, state, object_name, created_by, created_at, updated_at)
       values ('019ab6a0-7c00-7000-8000-000000000001', $1, 'ready', 'files/x', 'test', now(), now())`,
      [tenantId],
    );
  }

  return {
    newFile,
    newToken,
    ...{ url, port, store, context, stop, logged, platformKey, newKey, sql },
    async newTenant() {
      const id = `t${++count}`;
      await store.tenants.put({ id, name: id, actor: { actor: 'test' }, now: new Date() });
      return { id, key: (await newKey(id, ['*'])).key };
    },
    call: (method, path, options) => call(url, { method, path, ...options }),
    async [Symbol.asyncDispose]() {
      stop.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await hub[Symbol.asyncDispose]();
      await databases[Symbol.asyncDispose]();
      await pool.end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function call(url: string, { method, path, key, body, headers }: CallOptions & { method: string; path: string }): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson && text !== '' ? JSON.parse(text) : {} };
}

function collectingLog(logged: Record<string, unknown>[]): Logger {
  return pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
}

/** Checks that an answer is a whole problem of ours that tells nothing from inside. */
export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', answer.text);
  const problem = Problem.parse(answer.body);
  assert.equal(problem.code, code, answer.text);
  assert.equal(problem.status, status);
  assert.equal(problem.requestId, answer.headers.get('x-request-id'));
  assert.equal(problem.type, `http://nightshift.test/problems/${code}`);
  assert.doesNotMatch(answer.text, /node_modules|\.ts\b|:\d+:\d+\)|select .+ from|insert into/i);
}

/** A mail that is accepted. */
export const MAIL = { to: 'ada@example.com', subject: 'Hello', text: 'It works.' };

/** A request that starts one. */
export const START = { kind: 'email', input: MAIL };
