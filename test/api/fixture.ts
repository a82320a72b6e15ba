import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { createApp } from '../../src/api/app.ts';
import type { ApiContext } from '../../src/api/lib/context.ts';
import { createHttpServer } from '../../src/api/lib/http-server.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { FEATURES } from '../../src/contracts/features.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { startStreamHub } from '../../src/control/stream-hub.ts';
import { isConnectionError, openDatabases } from '../../src/store/database.ts';
import { type Store, createStore } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON body; an empty object when there is none. */
  readonly body: Record<string, any>; // oxlint-disable-line no-explicit-any -- tests look into answers of every shape
}

export interface CallOptions {
  readonly key?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Api extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: Store;
  readonly context: ApiContext;
  readonly owner: pg.Pool;
  readonly stop: AbortController;
  /** What was logged, parsed. */
  readonly logged: Record<string, unknown>[];
  /** A platform key. */
  readonly platformKey: string;
  /** A key of a new tenant, with all scopes. */
  newTenant(): Promise<{ readonly id: string; readonly key: string }>;
  newKey(tenantId: string, scopes: readonly string[], expiresAt?: Date): Promise<{ readonly id: string; readonly key: string }>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

let count = 0;

/** The HTTP side over a real database; nothing starts the work that it accepts. */
export async function startApi(overrides: Partial<ApiContext> = {}): Promise<Api> {
  const { databaseUrl, ownerUrl } = await useDatabase();
  const databases = openDatabases({ url: databaseUrl, systemUrl: databaseUrl, directUrl: databaseUrl, poolSize: 10 });
  const store = createStore(databases, createDispatchBridge());
  const logged: Record<string, unknown>[] = [];
  const log = collectingLog(logged);
  const hub = startStreamHub(store.streams, log);
  const stop = new AbortController();
  const context: ApiContext = {
    http: { publicUrl: 'http://nightshift.test', corsOrigins: [], bodyLimitBytes: 100_000, rateLimitPerMinute: 1_000_000 },
    store,
    hub,
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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on a port
  const url = `http://127.0.0.1:${port}`;
  const platformKey = store.system.apiKeys.newSecret().secret;
  await store.system.apiKeys.ensure({ secret: platformKey, kind: 'platform', name: 'test', now: new Date() });
  const owner = new pg.Pool({ connectionString: ownerUrl, max: 4 });
  owner.on('error', () => undefined);

  async function newKey(tenantId: string, scopes: readonly string[], expiresAt?: Date) {
    const made = await store.apiKeys.create({ tenantId, name: 'test', scopes, expiresAt, actor: { actor: 'test' }, now: new Date() });
    if (made.outcome !== 'created') throw new Error(made.outcome);
    return { id: made.key.id, key: made.secret };
  }

  return {
    ...{ url, port, store, context, owner, stop, logged, platformKey, newKey },
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
      await owner.end();
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

/** A mail that is accepted. */
export const MAIL = { to: 'ada@example.com', subject: 'Hello', text: 'It works.' };

/** A request that starts one. */
export const START = { kind: 'email', input: MAIL };
