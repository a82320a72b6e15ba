import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';

import type { EgressCall } from './egress-call.ts';
import type { Target } from './egress-check.ts';
import type { Connection } from './egress-connect.ts';
import type { Hop } from './egress-redirect.ts';

const MAX_HEADER_BYTES = 32 * 1024;

/**
 * Writes one request over a connection that is there already, and resolves when the headers of the reply have come. Bodies stay as they are on
 * the wire: nothing is decompressed, so that a small reply can't become a large one.
 */
export function exchange(call: EgressCall, hop: Hop, { target, connection }: Reached): Promise<IncomingMessage> {
  const { url } = target;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = requestHttp({
    // Neither an agent, which would keep connections and may know a proxy, nor a look-up.
    createConnection: () => connection.stream,
    method: hop.method,
    path: `${url.pathname}${url.search}`,
    headers: { 'accept-encoding': 'identity', ...hop.headers, ...lengthOf(hop), host: url.host, connection: 'close' },
    setHost: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    insecureHTTPParser: false,
  });
  outgoing.on('response', (incoming) => {
    // It may break before anybody reads it; who reads hears of it then.
    incoming.on('error', () => undefined);
    resolve(incoming);
  });
  outgoing.on('error', reject);
  outgoing.on('close', () => reject(new Error('the connection was closed before a reply')));
  outgoing.on('socket', () => {
    // Node writes what is queued here in this very tick.
    try {
      if (connection.stream.destroyed || !connection.stream.writable) throw new Error('the connection was closed before the request');
      call.enterExchange();
      outgoing.end(hop.body);
    } catch (error) {
      reject(error);
      outgoing.destroy();
    }
  });
  return call.race(promise);
}

interface Reached {
  readonly target: Target;
  readonly connection: Connection;
}

function lengthOf({ method, body }: Hop): Readonly<Record<string, string>> {
  const hasLength = body !== undefined || method === 'POST' || method === 'PUT' || method === 'PATCH';
  return hasLength ? { 'content-length': String(body?.byteLength ?? 0) } : {};
}
