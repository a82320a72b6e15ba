import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type ProcessRecord, readProcesses } from '../../src/embedded/data-folder.ts';
import { eventually } from './eventually.ts';
import { freeBlock } from './free-port.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 5_000;

const mails = z.array(
  z.object({
    headers: z.object({ 'message-id': z.string() }),
    envelope: z.object({ to: z.array(z.object({ address: z.string() })) }),
  }),
);

export interface ProductAnswer {
  readonly status: number;
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into answers of every shape
}

/** The product as `npm start` runs it, in processes of its own. */
export interface Product extends AsyncDisposable {
  /** What it wrote into its ready file. */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly apiKey: string;
  /** What it printed so far. */
  output(): string;
  /** Its children that run now. */
  processes(): readonly ProcessRecord[];
  /** SIGKILL to a child. */
  kill(name: string): void;
  /** SIGKILL to the supervisor itself; resolves when it is gone. */
  killSupervisor(): Promise<void>;
  call(
    method: string,
    path: string,
    options?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<ProductAnswer>;
  /** What lies in its mailbox, as `Message-ID recipient`. */
  mailbox(): Promise<string[]>;
}

/** Starts it on a free block of ports and waits until it is ready. */
export async function startProduct(flags: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Product> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-product-'));
  const readyFile = join(folder, 'ready.json');
  const { PATH, HOME, TEMPORAL_CLI_PATH } = process.env;
  const child = spawn(process.execPath, [MAIN, '--port', String(await freeBlock()), '--ready-file', readyFile, ...flags], {
    cwd: folder, // a developer's .env must not reach it
    env: { PATH, HOME, ...(TEMPORAL_CLI_PATH === undefined ? {} : { TEMPORAL_CLI_PATH }), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, 'close');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exit;
    rmSync(folder, { recursive: true, force: true });
  };
  const endpoints = await eventually(
    () => {
      assert.ok(child.exitCode === null && child.signalCode === null, `It ended: ${output}`);
      return existsSync(readyFile) && output.includes('Stop: ') ? readRecord(readyFile) : undefined;
    },
    { timeoutMs: START_TIMEOUT_MS },
  ).catch(async (error: unknown) => {
    await end('SIGTERM');
    throw new Error(`The product did not start: ${output}`, { cause: error });
  });
  const apiKey = readFileSync(endpoints['apiKeyFile'] ?? '', 'utf8').trim();
  const processes = (): readonly ProcessRecord[] => readProcesses(endpoints['dataDir'] ?? '');
  return {
    endpoints,
    apiKey,
    output: () => output,
    processes,
    kill(name) {
      const record = processes().find((one) => one.name === name);
      assert.ok(record !== undefined, `no process ${name}`);
      process.kill(record.pid, 'SIGKILL');
    },
    killSupervisor: () => end('SIGKILL'),
    async call(method, path, { body, headers } = {}) {
      const response = await fetch(`${endpoints['api']}${path}`, {
        method,
        headers: { Authorization: `Bearer ${apiKey}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
    },
    async mailbox() {
      const found = mails.parse(await (await fetch(`${endpoints['mailbox']}/api/email`)).json());
      return found.flatMap(({ headers, envelope }) => envelope.to.map(({ address }) => `${headers['message-id']} ${address}`));
    },
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

function readRecord(file: string): Readonly<Record<string, string>> {
  return z.record(z.string(), z.string()).parse(JSON.parse(readFileSync(file, 'utf8')));
}
