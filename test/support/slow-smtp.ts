import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface SlowSmtp extends AsyncDisposable {
  readonly url: string;
}

export interface Slowness {
  /** How long the greeting takes. */
  readonly greetingMs?: number;
  /** How long the answer to a body takes. */
  readonly bodyMs?: number;
}

/** Stands before a mail server and makes its answers late, as busy relays do. */
export async function startSlowSmtp(target: string, { greetingMs = 0, bodyMs = 0 }: Slowness): Promise<SlowSmtp> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    sockets.add(client).add(upstream);
    let hasGreeted = false;
    let hasBody = false;
    client.on('data', (chunk) => {
      hasBody ||= chunk.includes('\r\n.\r\n');
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      const waitMs = hasGreeted ? (hasBody ? bodyMs : 0) : greetingMs;
      hasGreeted = true;
      hasBody = false;
      setTimeout(() => client.writable && client.write(chunk), waitMs).unref();
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo; // listens on a TCP port
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
