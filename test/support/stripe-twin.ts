import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PaymentsSettings } from '../../src/adapters/payments.ts';
import type { FaultPlan } from '../../src/embedded/stripe-twin/faults.ts';
import type { JournalEntry } from '../../src/embedded/stripe-twin/journal.ts';
import { readKeys } from '../../src/embedded/stripe-twin/keys.ts';
import { startTwin } from '../../src/embedded/stripe-twin/twin.ts';
import { freePort } from './free-port.ts';

const MAIN = fileURLToPath(new URL('../../src/embedded/stripe-twin/main.ts', import.meta.url));

/** What a test may tell a simulator of Stripe beside what Stripe can be told. */
export interface TwinControl {
  readonly url: string;
  /** For `createPayments`. */
  readonly account: PaymentsSettings & { readonly simulatorUrl: string };
  advanceSeconds(seconds: number): Promise<void>;
  setFaults(plan: Partial<Omit<FaultPlan, 'id'>>): Promise<void>;
  audit(): Promise<readonly JournalEntry[]>;
  /** What the buyer does in the page of the bank. Answers with where they are sent. */
  approve(pageUrl: string, answer?: 'approve' | 'fail'): Promise<string | null>;
}

export interface OpenTwin extends TwinControl, AsyncDisposable {}

/** A simulator in this process, on data of its own, gone at the end. */
export async function openTwin(options: { readonly webhookUrl?: string } = {}): Promise<OpenTwin> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-twin-'));
  const port = await freePort();
  const { secret, publishable, webhookSecret } = readKeys(folder);
  const { webhookUrl } = options;
  const webhook = webhookUrl === undefined ? {} : { webhook: { url: webhookUrl, secret: webhookSecret } };
  const twin = await startTwin({ folder, port, keys: { secret, publishable }, ...webhook });
  return {
    ...controlOf(twin.url, folder),
    async [Symbol.asyncDispose]() {
      await twin[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A simulator in a process of its own, that can be killed and started again on the same data. */
export interface ForkedTwin extends OpenTwin {
  readonly folder: string;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Resolves when it answers. */
  restart(): Promise<void>;
}

export async function forkTwin(options: { readonly webhookUrl?: string } = {}): Promise<ForkedTwin> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-twin-'));
  const port = await freePort();
  const start = async () => {
    const args = [String(port), folder, ...(options.webhookUrl === undefined ? [] : [options.webhookUrl])];
    const child = fork(MAIN, args, { execArgv: [], stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    let complaints = '';
    child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
    const ended = once(child, 'close').then(() => assert.fail(`The simulator ended before it was ready. ${complaints}`));
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => undefined);
    return child;
  };
  let child = await start();
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return {
    ...controlOf(`http://127.0.0.1:${port}`, folder),
    folder,
    kill,
    async restart() {
      child = await start();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function controlOf(url: string, folder: string): TwinControl {
  const { secret, publishable, webhookSecret } = readKeys(folder);
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/_twin/${path}`, {
      method,
      headers: { authorization: `Bearer ${secret}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    assert.equal(response.status, 200, await response.clone().text());
    return response.json();
  };
  return {
    url,
    account: { secretKey: secret, publishableKey: publishable, webhookSecrets: [webhookSecret], simulatorUrl: url },
    async advanceSeconds(advanceSeconds) {
      await call('POST', 'clock', { advanceSeconds });
    },
    async setFaults(plan) {
      await call('PUT', 'faults', plan);
    },
    async audit() {
      const entries: JournalEntry[] = [];
      for (;;) {
        const page = (await call('GET', `audit?after=${entries.length}`)) as { entries: JournalEntry[]; hasMore: boolean }; // what the route answers
        entries.push(...page.entries);
        if (!page.hasMore) return entries;
      }
    },
    async approve(pageUrl, answer = 'approve') {
      const response = await fetch(pageUrl, { method: 'POST', body: new URLSearchParams({ answer }), redirect: 'manual' });
      assert.ok(response.status === 303 || response.status === 200, await response.text());
      return response.headers.get('location');
    },
  };
}
