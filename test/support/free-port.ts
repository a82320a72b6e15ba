import { canListen, PORT_BLOCK } from '../../src/embedded/ports.ts';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A TCP port on 127.0.0.1 that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.');
  return address.port;
}

/** First of a block of ports in a row that nothing listens on, below those that outgoing connections get. */
export async function freeBlock(): Promise<number> {
  for (;;) {
    const base = 20_000 + PORT_BLOCK * Math.floor(Math.random() * 500);
    const checks = Array.from({ length: PORT_BLOCK }, (_, offset) => canListen('127.0.0.1', base + offset));
    if ((await Promise.all(checks)).every(Boolean)) return base;
  }
}
