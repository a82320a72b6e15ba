import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EffectParty, Sent } from '../../src/activities/lib/effect.ts';

const SETTLE_MS = 100;

export interface EffectWorld extends AsyncDisposable {
  readonly url: string;
  /** How often anything was done whose key begins so. */
  countOf(keyStart: string): number;
}

/** An outside party that does whatever it is told, as often as it is told: it knows nothing of idempotency. */
export async function startEffectWorld(): Promise<EffectWorld> {
  const done: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://world');
    const key = url.searchParams.get('key') ?? '';
    if (request.method === 'GET') return response.end(done.includes(key) ? 'accepted' : 'absent');
    switch (url.searchParams.get('answer')) {
      case 'no':
        return response.writeHead(422).end();
      case 'busy':
        return response.writeHead(503).end();
      case 'lost':
        done.push(key);
        return request.socket.destroy();
      default:
        done.push(key);
        return response.end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listens on a TCP port
  return {
    url: `http://127.0.0.1:${port}`,
    countOf: (keyStart) => done.filter((key) => key.startsWith(keyStart)).length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface PartyOptions {
  readonly key: string;
  readonly budgetMs: number;
  readonly canAsk?: boolean;
  readonly answer?: 'ok' | 'no' | 'lost' | 'busy';
  /** Called directly before and after the compare-and-set. */
  readonly onPlace?: (place: 'before-begin' | 'after-begin') => Promise<void>;
}

export function createParty(worldUrl: string, { key, budgetMs, canAsk = false, answer = 'ok', onPlace }: PartyOptions): EffectParty {
  const query = `key=${encodeURIComponent(key)}`;
  return {
    budgetMs,
    settleMs: SETTLE_MS,
    async send(_effect, begin): Promise<Sent> {
      await onPlace?.('before-begin');
      const deadline = await begin().catch(() => Number.NEGATIVE_INFINITY);
      await onPlace?.('after-begin');
      if (performance.now() > deadline) return { state: 'not_done' };
      try {
        const reply = await fetch(`${worldUrl}/?${query}&answer=${answer}`, { method: 'POST' });
        return { state: reply.ok ? 'done' : reply.status === 422 ? 'refused' : 'not_done' };
      } catch {
        return { state: 'ambiguous' };
      }
    },
    ask: canAsk
      ? async () => {
          const text = await (await fetch(`${worldUrl}/?${query}`)).text();
          return text === 'accepted' ? 'accepted' : 'absent';
        }
      : undefined,
  };
}
