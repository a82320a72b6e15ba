import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { duplexPair } from 'node:stream';

import type { ConnectRequest, Connector, Resolver } from '../../src/adapters/egress-connect.ts';

/** The only addresses that exist in the world of these tests; all of them are public. */
export const PUBLIC_ADDRESSES: readonly string[] = ['93.184.215.14', '1.1.1.1', '2606:4700:4700::1111'];

/** An internet without a network: a resolver that answers by script and a connector that dials nothing, and counts. */
export interface EgressWorld {
  readonly resolve: Resolver;
  readonly connect: Connector;
  /** All that was to be connected to, in order. */
  readonly dialled: ConnectRequest[];
  /** All names that were looked up, in order. */
  readonly lookedUp: string[];
}

/**
 * Every public address is served by `serve`, without TLS. `answer` gives the addresses of a name at its nth look-up (from 1).
 */
export function createEgressWorld(serve: RequestListener, answer: (name: string, nth: number) => readonly string[]): EgressWorld {
  const server = createServer(serve);
  const dialled: ConnectRequest[] = [];
  const lookedUp: string[] = [];
  return {
    dialled,
    lookedUp,
    resolve: async (name) => {
      lookedUp.push(name);
      return answer(name, lookedUp.filter((one) => one === name).length);
    },
    connect: async (request) => {
      dialled.push(request);
      if (!PUBLIC_ADDRESSES.includes(request.address)) throw new Error('an inner address was dialled');
      const [near, far] = duplexPair();
      near.on('error', () => undefined);
      far.on('error', () => undefined);
      server.emit('connection', far);
      return { stream: near, cut: () => [near, far].forEach((side) => side.destroy()) };
    },
  };
}
