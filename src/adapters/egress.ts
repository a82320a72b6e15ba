import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';

import { EgressCall } from './egress-call.ts';
import type { Ways } from './egress-call.ts';
import { checkMessage } from './egress-check.ts';
import type { Target } from './egress-check.ts';
import { createConnector, resolveBySystem } from './egress-connect.ts';
import type { Connector, Resolver } from './egress-connect.ts';
import { EgressRefusedError, EgressTooLargeError, explainEgressError } from './egress-errors.ts';
import type { EgressError } from './egress-errors.ts';
import { exchange } from './egress-exchange.ts';
import { nextHop } from './egress-redirect.ts';
import type { Hop } from './egress-redirect.ts';

const MAX_BYTES = 10 * 1024 * 1024; // 10 MiB
const CONNECT_TIMEOUT_MS = 10_000; // 10 s
const TIMEOUT_MS = 30_000; // 30 s
const MAX_REDIRECTS = 3;
const USER_AGENT = 'Nightshift';

/** A request to a URL that somebody gave us. */
export interface EgressRequest {
  readonly url: string;
  /** GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS. */
  readonly method: string;
  /** One value a name; the connection's own headers (host, content-length, connection, …) are refused. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text is sent as UTF-8. */
  readonly body?: string | Uint8Array;
  /** Of the reply's body as it comes over the wire; 10 MiB by default. */
  readonly maxBytes?: number;
  /** From the call to the last byte of the reply's body, over all redirects; 30 s by default. */
  readonly timeoutMs?: number;
  /** For TCP and TLS of each hop; 10 s by default. */
  readonly connectTimeoutMs?: number;
  /** 3 by default. With 0 a redirect is a reply like any other. */
  readonly maxRedirects?: number;
  readonly signal?: AbortSignal;
  /**
   * Called at most once, with the connection made and directly before the first byte of the first hop. Resolves to the deadline, in ms of
   * `performance.now()`, until which may be written; the connection is destroyed when it passes, also while waiting for the reply. When it
   * rejects nothing is sent, and the call rejects with the same error.
   */
  readonly beforeSend?: () => Promise<number>;
}

/** What came back, whatever its status. */
export interface EgressHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Where it came from, after redirects. */
  readonly url: string;
}

/** A reply with its whole body, as it came over the wire: a `content-encoding` is not undone. */
export interface EgressReply extends EgressHead {
  readonly body: Buffer;
}

/** A reply whose body is still coming. It must be read or destroyed; it fails with an {@link EgressError}. */
export interface EgressStream extends EgressHead {
  readonly body: Readable;
}

/**
 * The only way out for what users ask to call. Everything it throws of its own accord says by `sent` whether the other side may have got the
 * request. Nothing is retried and no connection is kept.
 */
export interface Egress {
  /** @throws {EgressError} */
  request(request: EgressRequest): Promise<EgressReply>;
  /**
   * The same with the body as a stream, for replies that are large.
   * @throws {EgressError}
   */
  open(request: EgressRequest): Promise<EgressStream>;
  /** The error as one of the adapter's, to be told apart by `name`; undefined when it is none. */
  explain(error: unknown): EgressError | undefined;
}

/** What may be reached besides the public internet, and how. */
export interface EgressSettings {
  /** Origins of inner hosts that may be reached, by the operator's name for each: `{ app: 'http://app.internal:3000' }`. */
  readonly targets?: Readonly<Record<string, string>>;
  /** http besides https; no by default. */
  readonly allowHttp?: boolean;
  /** The system's by default. */
  readonly resolve?: Resolver;
  /** TCP and TLS by default. */
  readonly connect?: Connector;
}

/** The egress adapter; it holds nothing that has to be closed. */
export function createEgress(settings: EgressSettings = {}): Egress {
  const innerOrigins = new Set(Object.values(settings.targets ?? {}).map((target) => new URL(target).origin));
  const ways: Ways = {
    policy: { innerOrigins, allowHttp: settings.allowHttp ?? false },
    resolve: settings.resolve ?? resolveBySystem,
    connect: settings.connect ?? createConnector(),
  };
  return {
    async request(request) {
      const { body, ...head } = await open(ways, request);
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk as Buffer); // no encoding is set, so it gives buffers
      return { ...head, body: Buffer.concat(chunks) };
    },
    open: (request) => open(ways, request),
    explain: explainEgressError,
  };
}

async function open(ways: Ways, request: EgressRequest): Promise<EgressStream> {
  checkMessage(request.method, request.headers);
  const call = new EgressCall(ways, {
    timeoutMs: request.timeoutMs ?? TIMEOUT_MS,
    connectTimeoutMs: request.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    signal: request.signal,
    beforeSend: request.beforeSend,
  });
  try {
    const { incoming, url } = await follow(call, request);
    const status = incoming.statusCode ?? 0;
    const maxBytes = request.maxBytes ?? MAX_BYTES;
    const declaredBytes = request.method === 'HEAD' ? 0 : Number(incoming.headers['content-length'] ?? 0);
    if (declaredBytes > maxBytes) {
      throw new EgressTooLargeError(maxBytes, call);
    }
    const body = readBody(call, incoming, maxBytes);
    return { status, headers: incoming.headers, url, body };
  } catch (error) {
    call.close();
    throw call.explain(error);
  }
}

async function follow(call: EgressCall, request: EgressRequest): Promise<{ readonly incoming: IncomingMessage; readonly url: string }> {
  const maxRedirects = request.maxRedirects ?? MAX_REDIRECTS;
  let hop = firstHop(request);
  let previous: Target | undefined;
  for (let redirects = 0; ; redirects += 1) {
    const { target, connection } = await call.reach(hop.url, previous);
    await call.passGate();
    const incoming = await exchange(call, hop, { target, connection });
    call.status = incoming.statusCode;
    const next = maxRedirects === 0 ? undefined : nextHop(hop, incoming.statusCode ?? 0, incoming.headers.location);
    if (next === undefined) {
      return { incoming, url: target.url.href };
    }
    // With the body of the redirect, which nobody reads.
    call.dropConnection();
    if (redirects >= maxRedirects) {
      throw new EgressRefusedError('redirect_limit', call);
    }
    hop = next;
    previous = target;
  }
}

function firstHop({ url, method, headers, body }: EgressRequest): Hop {
  const hasAgent = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent');
  return {
    url,
    method,
    headers: hasAgent ? headers : { ...headers, 'user-agent': USER_AGENT },
    body: typeof body === 'string' ? Buffer.from(body, 'utf8') : body,
  };
}

/** Not an async generator: leaving one waits for the piece it is waiting for. */
function readBody(call: EgressCall, incoming: IncomingMessage, maxBytes: number): Readable {
  let sizeBytes = 0;
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > maxBytes) {
        done(new EgressTooLargeError(maxBytes, call));
      } else {
        done(null, chunk);
      }
    },
    destroy(error, done) {
      call.close();
      const explained = error === null ? null : call.explain(error);
      done(explained instanceof Error ? explained : null);
    },
  });
  // It may fail before anybody reads it; who reads hears of it then.
  body.on('error', () => undefined);
  call.onEnding((error) => body.destroy(error));
  incoming.on('error', (error) => body.destroy(error));
  return incoming.pipe(body);
}
