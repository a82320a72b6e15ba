import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

import { EgressTimeoutError } from './egress-errors.ts';
import type { Sent } from './egress-errors.ts';

/** More answers than this are not tried; all of them are checked. */
const MAX_ADDRESSES = 4;

/** Gives every address of a name. */
export type Resolver = (hostName: string) => Promise<readonly string[]>;

/** One connection to make: to an address that was checked, for a name that goes into TLS. */
export interface ConnectRequest {
  readonly address: string;
  readonly port: number;
  readonly isTls: boolean;
  /** For SNI and the certificate; the address itself where the URL had one. */
  readonly hostName: string;
  readonly signal: AbortSignal;
}

/** A connection that is ready for the first byte of a request. */
export interface Connection {
  readonly stream: Duplex;
  /** Breaks it at once: what the kernel still holds doesn't leave. */
  readonly cut: () => void;
}

/** Makes one connection, TLS included. */
export type Connector = (request: ConnectRequest) => Promise<Connection>;

/** Asks the system, as other programs of the machine do: /etc/hosts counts. */
export async function resolveBySystem(hostName: string): Promise<readonly string[]> {
  const answers = await lookup(hostName, { all: true, order: 'verbatim' });
  return answers.map(({ address }) => address);
}

/**
 * The connector of the product. It takes an address, never a name, so nothing is looked up again between check and connection, and it knows
 * no proxy.
 * @param authorities PEM certificates to trust instead of those that Node brings
 */
export function createConnector(authorities?: readonly string[]): Connector {
  return async ({ address, port, isTls, hostName, signal }) => {
    const raw = connectTcp({ host: address, port, noDelay: true, signal });
    const cut = (): void => {
      cutOff(raw);
    };
    // Also the errors of later: whoever uses the stream hears of them there.
    raw.on('error', () => undefined);
    await untilReady(raw, 'connect');
    if (!isTls) {
      return { stream: raw, cut };
    }
    const secure = connectTls({
      socket: raw,
      host: hostName,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(hostName) === 0 ? { servername: hostName } : {}),
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
    });
    secure.on('error', () => undefined);
    try {
      await untilReady(secure, 'secureConnect');
    } catch (error) {
      cut();
      throw error;
    }
    return { stream: secure, cut };
  };
}

function cutOff(socket: Socket): void {
  if (socket.destroyed || socket.connecting || socket.writableEnded) {
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
}

function untilReady(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed while it was made')));
  });
}

/** How to reach one of several addresses. */
export interface ReachRequest extends Omit<ConnectRequest, 'address'> {
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  /** What the error says when the time is up: earlier hops may have been sent. */
  readonly sent: Sent;
}

/**
 * Connects to the first address that answers, trying one after another; each gets its share of the time, so that a silent one (IPv6 that
 * leads nowhere, most often) doesn't use up all of it.
 * @throws {EgressTimeoutError} when the last one was silent
 * @throws the connector's error otherwise
 */
export async function reachAny(connect: Connector, request: ReachRequest): Promise<Connection> {
  const until = performance.now() + request.timeoutMs;
  const addresses = request.addresses.slice(0, MAX_ADDRESSES);
  let last: unknown = new Error('the name has no address');
  for (const [index, address] of addresses.entries()) {
    const shareMs = Math.max((until - performance.now()) / (addresses.length - index), 1);
    try {
      return await connectInTime(connect, { ...request, address }, shareMs);
    } catch (error) {
      if (request.signal.aborted) {
        throw error;
      }
      last = error;
    }
  }
  throw last;
}

async function connectInTime(
  connect: Connector,
  request: ConnectRequest & Pick<ReachRequest, 'sent'>,
  timeoutMs: number,
): Promise<Connection> {
  const tooLate = new AbortController();
  const isOver = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    tooLate.abort();
    isOver.reject(new EgressTimeoutError('connect', { sent: request.sent, status: undefined }));
  }, timeoutMs);
  const { address, port, isTls, hostName } = request;
  const signal = AbortSignal.any([request.signal, tooLate.signal]);
  const made = connect({ address, port, isTls, hostName, signal });
  // One that is made too late is nobody's.
  void made.then(
    ({ cut }) => signal.aborted && cut(),
    () => undefined,
  );
  try {
    return await Promise.race([made, isOver.promise]);
  } finally {
    clearTimeout(timer);
  }
}
