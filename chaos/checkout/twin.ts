import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as z from 'zod';

const MAIN = join(import.meta.dirname, '../../src/embedded/stripe-twin/main.ts');
const ANSWER_TIMEOUT_MS = 20_000;
/** Nobody listens here: events wait until the product is up. */
const NOWHERE = 'http://127.0.0.1:9/hooks/stripe';

const Keys = z.object({ secret: z.string(), publishable: z.string(), webhookSecret: z.string() });
const AuditPage = z.object({ entries: z.array(z.unknown()), hasMore: z.boolean() });
const EndpointList = z.object({ data: z.array(z.object({ id: z.string() })) });

/** The payment provider of a run: the simulator, as a process of the judge's, which nobody kills. */
export interface TwinProcess extends AsyncDisposable {
  readonly url: string;
  readonly keys: z.infer<typeof Keys>;
  sendWebhooksTo(url: string): Promise<void>;
  setFaults(plan: object): Promise<void>;
  /** What the provider's own form does in the buyer's browser. */
  pay(intentId: string, paymentMethod: string): Promise<void>;
  /** Entries of its journal from this one on, from 0. */
  audit(after: number): Promise<readonly unknown[]>;
}

export async function startTwinProcess(folder: string): Promise<TwinProcess> {
  const port = await freePort();
  const child = fork(MAIN, [String(port), folder, NOWHERE], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  await ready(child);
  const url = `http://127.0.0.1:${port}`;
  const keys = Keys.parse(JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8')));
  const ask = async (method: string, path: string, body?: string | URLSearchParams): Promise<unknown> => {
    const headers = { authorization: `Bearer ${keys.secret}` };
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    const response = await fetch(`${url}${path}`, { method, headers, signal, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`The payment provider answered ${method} ${path} by ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  return {
    url,
    keys,
    async sendWebhooksTo(target) {
      const [endpoint] = EndpointList.parse(await ask('GET', '/v1/webhook_endpoints')).data;
      await ask('POST', `/v1/webhook_endpoints/${endpoint?.id ?? ''}`, new URLSearchParams({ url: target }));
    },
    async pay(intentId, paymentMethod) {
      const form = new URLSearchParams({ payment_method: paymentMethod, return_url: 'https://shop.example.com/back' });
      await ask('POST', `/v1/payment_intents/${intentId}/confirm`, form);
    },
    async setFaults(plan) {
      await ask('PUT', '/_twin/faults', JSON.stringify(plan));
    },
    async audit(after) {
      const entries: unknown[] = [];
      for (;;) {
        const page = AuditPage.parse(await ask('GET', `/_twin/audit?after=${after + entries.length}`));
        entries.push(...page.entries);
        if (!page.hasMore) return entries;
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function ready(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() => {
    throw new Error('The payment provider ended before it was ready.');
  });
  await Promise.race([once(child, 'message'), ended]);
  // Its end is no surprise from now on.
  ended.catch(() => undefined);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.');
  return address.port;
}
