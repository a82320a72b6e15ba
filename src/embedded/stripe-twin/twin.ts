import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Api } from './api.ts';
import type { ApiRequest, Reply, TwinKeys } from './api.ts';
import { serveControl } from './control.ts';
import { Deliveries } from './deliveries.ts';
import { Engine } from './engine.ts';
import { Scheduler } from './scheduler.ts';
import { newEndpoint } from './webhook-endpoints.ts';

const HOST = '127.0.0.1';
const BODY_LIMIT_BYTES = 1024 * 1024;
/** On everything that is sent, so that nobody takes it for the real thing. */
const MARK = { 'x-simulator': 'stripe-twin' };
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};
/** Stripe's API answers browsers of any origin; what they may do depends on the key. */
const CROSS_ORIGIN = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, idempotency-key, stripe-version',
  'access-control-max-age': '300',
};

export interface TwinOptions {
  readonly folder: string;
  readonly port: number;
  readonly keys: TwinKeys;
  /** An endpoint that is there from the start and keeps its place when the address changes. */
  readonly webhook?: { readonly url: string; readonly secret: string };
}

/** A running simulator. */
export interface Twin extends AsyncDisposable {
  readonly url: string;
}

/** Starts a simulator on what its folder holds. */
export async function startTwin({ folder, port, keys, webhook }: TwinOptions): Promise<Twin> {
  const engine = await Engine.open(folder);
  if (webhook !== undefined) await keepEndpoint(engine, webhook);
  const deliveries = new Deliveries(engine);
  const url = `http://${HOST}:${port}`;
  const api = new Api(engine, keys, url);
  const server = createServer((request, response) => {
    answer({ engine, api, keys }, request, response).catch((error: unknown) => {
      console.error(error);
      // Whether it was done is for the caller to find out, as with a server that breaks.
      response.destroy();
    });
  });
  // Longer than clients keep theirs, so that none writes to a connection that is being closed.
  server.keepAliveTimeout = 120_000;
  await listen(server, port);
  const scheduler = new Scheduler(engine, deliveries);
  return {
    url,
    async [Symbol.asyncDispose]() {
      scheduler.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await deliveries.idle();
      await engine.close();
    },
  };
}

interface Parts {
  readonly engine: Engine;
  readonly api: Api;
  readonly keys: TwinKeys;
}

async function answer({ engine, api, keys }: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${HOST}`);
  const { pathname: path, searchParams: query } = url;
  const { method = 'GET', headers } = request;
  // A page elsewhere that points its own name at this machine is told nothing.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(headers.host ?? ''))
    return send(response, { status: 421, body: 'Misdirected request.' });
  const body = await readBody(request);
  if (body === undefined) return send(response, { status: 413, body: 'Too large.' });
  if (!path.startsWith('/v1/')) {
    const isTrusted = headers.authorization === `Bearer ${keys.secret}`;
    const reply = await serveControl(engine, { method, path, query, body, isTrusted });
    if (reply === undefined) return send(response, { status: 404, body: 'There is no such page in the simulator.' });
    const type = reply.type === 'html' ? PAGE_HEADERS : { 'content-type': 'application/json' };
    const location = reply.location === undefined ? {} : { location: reply.location };
    return send(response, { status: reply.status, body: reply.body, headers: { ...type, ...location } });
  }
  if (method === 'OPTIONS') return send(response, { status: 204, body: '', headers: CROSS_ORIGIN });
  const key = headers['idempotency-key'];
  const version = headers['stripe-version'];
  const apiRequest: ApiRequest = {
    method,
    path: path.replace(/\/$/, ''),
    form: method === 'POST' ? body : query.toString(),
    authorization: headers.authorization,
    idempotencyKey: typeof key === 'string' && key !== '' ? key : undefined,
    version: typeof version === 'string' ? version : undefined,
  };
  deliver(response, await api.serve(apiRequest));
}

function deliver(response: ServerResponse, { status, headers, body, fault }: Reply): void {
  const all = { ...CROSS_ORIGIN, ...headers };
  switch (fault?.kind) {
    case 'reply_lost':
      response.destroy();
      return;
    case 'cut_body':
      response.writeHead(status, { ...MARK, ...all, 'content-length': Buffer.byteLength(body) });
      response.write(body.slice(0, Math.floor(body.length / 2)), () => response.destroy());
      return;
    default:
      return send(response, { status, body, headers: all });
  }
}

interface Sent {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function send(response: ServerResponse, { status, body, headers = { 'content-type': 'text/plain' } }: Sent): void {
  response.writeHead(status, { ...MARK, ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Undefined when it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > BODY_LIMIT_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function keepEndpoint(engine: Engine, { url, secret }: { readonly url: string; readonly secret: string }): Promise<void> {
  const work = engine.begin();
  const known = engine.state.all('webhook_endpoint').find((endpoint) => endpoint.secret === secret);
  if (known?.url === url) return;
  work.put(
    'webhook_endpoint',
    known === undefined ? newEndpoint({ url, secret, events: ['*'], created: engine.clock.nowSeconds() }) : { ...known, url },
  );
  engine.commit(work, { cause: 'control' });
  await engine.flushed();
}

async function listen(server: Server, port: number): Promise<void> {
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(port, HOST, () => listening.resolve());
  await listening.promise;
}
