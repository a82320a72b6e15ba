import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';

const READY_TIMEOUT_MS = 90_000;
const CALL_TIMEOUT_MS = 5_000;
const PORTS = 20;

const processList = z.array(z.object({ name: z.string(), pid: z.number() }));
const endpointList = z.record(z.string(), z.string());

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ProductPlace {
  /** The clone or copy whose `src/main.ts` is run. */
  readonly tree: string;
  /** Holds its data and its ready file. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** The product as `npm start` runs it, which can be hit in any of its processes. Knows it by its files, its output and HTTP only. */
export class Product implements AsyncDisposable {
  readonly #place: ProductPlace;
  readonly #portBase: number;
  #supervisor: ChildProcess | undefined;
  #output = '';
  #endpoints: Readonly<Record<string, string>> = {};
  #apiKey = '';

  private constructor(place: ProductPlace, portBase: number) {
    this.#place = place;
    this.#portBase = portBase;
  }

  /** Starts it on a free block of ports and resolves when it is ready. */
  static async start(place: ProductPlace): Promise<Product> {
    const product = new Product(place, await freeBlock());
    try {
      await product.startAgain();
    } catch (error) {
      await product[Symbol.asyncDispose]();
      throw error;
    }
    return product;
  }

  /** What it and its supervisors printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Addresses by name, as its ready file has them. */
  get endpoints(): Readonly<Record<string, string>> {
    return this.#endpoints;
  }

  get apiKey(): string {
    return this.#apiKey;
  }

  get dataDir(): string {
    return join(this.#place.folder, 'data');
  }

  /** The supervisor's process, above all others. */
  get supervisorPid(): number | undefined {
    return this.#supervisor?.pid;
  }

  /** The same installation once more, as after a reboot. */
  async startAgain(): Promise<void> {
    const readyFile = join(this.#place.folder, 'ready.json');
    rmSync(readyFile, { force: true });
    const { PATH, HOME } = process.env;
    const child = spawn(
      process.execPath,
      [join(this.#place.tree, 'src/main.ts'), '--port', String(this.#portBase), '--ready-file', readyFile],
      {
        cwd: this.#place.folder, // a developer's .env must not reach it
        env: { PATH, HOME, DATA_DIR: this.dataDir, ...this.#place.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#supervisor = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    await until(() => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The product ended: ${this.#output.slice(-3000)}`);
      return existsSync(readyFile);
    }, 'the product to be ready');
    this.#endpoints = endpointList.parse(JSON.parse(readFileSync(readyFile, 'utf8')));
    this.#apiKey = readFileSync(this.#endpoints['apiKeyFile'] ?? '', 'utf8').trim();
  }

  /** The process of this name that runs now. */
  pidOf(name: string): number {
    const pid = this.#processes().get(name);
    if (pid === undefined) throw new Error(`The product has no process ${name} now.`);
    return pid;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    process.kill(this.pidOf(name), signal);
  }

  /** SIGKILL, then waits until another process of this name is ready in its place. */
  async killAndAwait(name: string): Promise<void> {
    const before = this.pidOf(name);
    const from = this.#output.length;
    process.kill(before, 'SIGKILL');
    await until(() => this.#output.slice(from).includes(`${name} is back after`), `${name} to be back`);
    await this.ready();
  }

  /** SIGKILL to the supervisor, then the next start, as a user would do it. */
  async killSupervisorAndStart(): Promise<void> {
    await this.#end('SIGKILL');
    await this.startAgain();
    await this.ready();
  }

  /** Resolves when `/readyz` says so. */
  async ready(): Promise<void> {
    await until(async () => (await this.call('GET', '/readyz').catch(() => undefined))?.status === 200, '/readyz to be 200');
  }

  /** One request; rejects when no whole answer comes within 5 s. */
  async call(method: string, path: string, { body, headers }: CallOptions = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.#portBase}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#apiKey}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of this.#processes().values()) tryKill(pid, 'SIGCONT');
    await this.#end('SIGTERM');
  }

  #processes(): ReadonlyMap<string, number> {
    const file = join(this.dataDir, 'processes.json');
    if (!existsSync(file)) return new Map();
    return new Map(processList.parse(JSON.parse(readFileSync(file, 'utf8'))).map(({ name, pid }) => [name, pid]));
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#supervisor;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}

async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Waited ${READY_TIMEOUT_MS / 1000} s for ${what}, in vain.`);
    await sleep(50);
  }
}

/** First of a block of ports in a row that nothing listens on, below those that outgoing connections get. */
async function freeBlock(): Promise<number> {
  for (;;) {
    const base = 20_000 + PORTS * Math.floor(Math.random() * 500);
    const checks = await Promise.all(Array.from({ length: PORTS }, (_, offset) => canListen(base + offset)));
    if (checks.every(Boolean)) return base;
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(true));
  const isFree = await promise;
  await new Promise((closed) => server.close(closed));
  return isFree;
}
