import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Product } from '../../chaos/lib/product.ts';
import { type SmtpSink, startSmtpSink } from './smtp-sink.ts';

const ROOT = join(import.meta.dirname, '../..');
const BASELINE = fileURLToPath(new URL('../baseline/app.ts', import.meta.url));

/** The product as a user starts it, and the mail server that it sends to. */
export interface BenchWorld extends AsyncDisposable {
  readonly product: Product;
  readonly sink: SmtpSink;
  /** The supervisor, whose tree is the whole product. */
  readonly pid: number;
  readonly apiUrl: string;
}

/** Starts the product of this clone, or of another `tree`, with more settings perhaps. */
export async function startWorld(tree = ROOT, more: Readonly<Record<string, string>> = {}): Promise<BenchWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-'));
  // PostgreSQL has a user of its own when we are root, and must be able to pass through.
  chmodSync(folder, 0o711);
  const sink = await startSmtpSink();
  const environment = { SMTP_URL: sink.url, RATE_LIMIT_PER_MINUTE: '10000000', ...more };
  const product = await Product.start({ tree, folder, environment });
  return {
    product,
    sink,
    pid: product.supervisorPid ?? 0,
    apiUrl: product.endpoints['api'] ?? '',
    async [Symbol.asyncDispose]() {
      await product[Symbol.asyncDispose]();
      await sink[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The baseline's process. */
export interface Baseline extends AsyncDisposable {
  readonly taskQueue: string;
  readonly url: string;
  readonly pid: number;
}

/** A plain SDK application to compare with. */
export interface BaselineOptions {
  /** Its own; no two share one. */
  readonly taskQueue: string;
  /** Places for workflow tasks, where they are not the SDK's. */
  readonly slots?: number;
}

/** Starts the plain SDK application beside the product, on the same Temporal server and the same mail server. */
export async function startBaseline({ product, sink }: BenchWorld, { taskQueue, slots }: BaselineOptions): Promise<Baseline> {
  const { temporal = '', temporalNamespace = '' } = product.endpoints;
  const given = [temporal, temporalNamespace, String(sink.port), taskQueue, ...(slots === undefined ? [] : [String(slots)])];
  const child = spawn(process.execPath, [BASELINE, ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await firstLine(child);
  return {
    url,
    taskQueue,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}

/** It says where it is once it is ready. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the baseline has no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('The baseline ended before it was ready.');
}
