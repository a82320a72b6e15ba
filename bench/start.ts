import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import * as z from 'zod';
import { inParallel, TimedClient } from './lib/client.ts';
import { mailOf } from './lib/mails.ts';
import { usageOf } from './lib/process-tree.ts';
import { type Figure, report } from './lib/results.ts';
import { median, quantile, ratioOf, spreadOf } from './lib/stats.ts';
import type { SmtpSink } from './lib/smtp-sink.ts';
import { type Baseline, type BenchWorld, startBaseline, startWorld } from './lib/world.ts';

export interface BenchSize {
  /** Pairs of single posts. */
  readonly pairs: number;
  /** Posts of one load. */
  readonly posts: number;
  /** Loads of each side, in turns. */
  readonly rounds: number;
  /** Another clone to measure. */
  readonly tree: string | undefined;
}

const CONNECTIONS = 32;
const WARM_UP = 60;
const POLL_MS = 10;
const FINISH_POLL_MS = 100;
const SCHEDULED_MAILS = 5_000;
const ALL_ENDED = new Set(['succeeded', 'COMPLETED']);

const Status = z.object({ status: z.string() });
const Id = z.object({ id: z.string() });
const Finished = z.object({ count: z.number(), starts: z.number(), eagerStarts: z.number() });

/** As many places for workflow tasks as the product's workers have: with them, a baseline that posts come to in loads starts all eagerly too. */
const TUNED_SLOTS = 300;

/** One of the two that are compared. */
interface Side {
  readonly client: TimedClient;
  readonly sink: SmtpSink;
  readonly post: (ordinal: number) => {
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
  readonly statusPath: (id: string) => string;
  /** Operations that have ended since the process began. */
  readonly finished: () => Promise<number>;
  /** Processes whose CPU time is this side's own; Temporal is in the product's tree, and is added to whoever used it. */
  readonly pids: Readonly<Record<string, number>>;
}

/**
 * `POST /v1/emails` until the first byte to the mail server and until the end, against a plain SDK application as the SDK sets it up, and
 * in loads also against the same one with the product's places for workflow tasks.
 */
export async function benchStart(size: BenchSize): Promise<boolean> {
  await using world = await startWorld(size.tree);
  await using plain = await startBaseline(world, { taskQueue: 'baseline' });
  await using tuned = await startBaseline(world, { taskQueue: 'baseline-tuned', slots: TUNED_SLOTS });
  const sides = {
    product: productSide(world),
    keyed: productSide(world, true),
    baseline: baselineSide(world, plain),
    tuned: baselineSide(world, tuned),
  };
  for (const side of [sides.product, sides.baseline, sides.tuned]) await oneLoad(side, WARM_UP);
  const pairs = await measurePairs(sides, size);
  // Before the loads: what these leave in memory goes away while waiting mails are counted.
  const scheduled = await measureScheduled(world);
  const loads = await measureLoads(sides, size);
  const figures: Figure[] = [
    ...pairs,
    ...loads,
    await eagerShare(world),
    await baselineShare(plain),
    await baselineShare(tuned),
    ...scheduled,
  ];
  for (const { client } of Object.values(sides)) client.close();
  return report('start', figures, { ...size, tree: undefined });
}

type Sides = Readonly<Record<'product' | 'keyed' | 'baseline' | 'tuned', Side>>;

async function measurePairs(sides: Sides, { pairs }: BenchSize): Promise<readonly Figure[]> {
  const names = ['product', 'keyed', 'baseline'] as const;
  const post: Record<(typeof names)[number], number[]> = { product: [], keyed: [], baseline: [] };
  const firstByte: typeof post = { product: [], keyed: [], baseline: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    // Each is first as often as the others.
    for (const index of names.keys()) {
      const name = names[(index + pair) % names.length] ?? 'product';
      const one = await onePost(sides[name], pair);
      post[name].push(one.postMs);
      firstByte[name].push(one.firstByteMs);
    }
  }
  const plain = (name: string, values: readonly number[]): Figure[] => [
    { name: `${name}, p50`, unit: 'ms', ...spreadOf([median(values)]) },
    { name: `${name}, p99`, unit: 'ms', ...spreadOf([quantile(values, 0.99)]) },
  ];
  return [
    { name: 'POST at the socket, p50, product ÷ baseline', unit: '÷', atMost: 0.5, ...ratioOf(post.product, post.baseline) },
    { name: 'POST with an idempotency key, p50, product ÷ baseline', unit: '÷', atMost: 0.5, ...ratioOf(post.keyed, post.baseline) },
    {
      name: 'request → first SMTP byte, p50, product ÷ baseline',
      unit: '÷',
      atMost: 1.4,
      ...ratioOf(firstByte.product, firstByte.baseline),
    },
    ...plain('POST, product', post.product),
    ...plain('POST, product, keyed', post.keyed),
    ...plain('POST, baseline', post.baseline),
    ...plain('request → first SMTP byte, product', firstByte.product),
    ...plain('request → first SMTP byte, baseline', firstByte.baseline),
  ];
}

/** One request and its whole work; nothing else is under way. */
async function onePost({ client, sink, post, statusPath }: Side, ordinal: number) {
  const before = sink.mails();
  const byte = sink.nextByte();
  const answer = await client.expectOk({ method: 'POST', ...post(ordinal) });
  const firstByteAt = await byte;
  await sink.reached(before + 1);
  const { id } = Id.parse(JSON.parse(answer.text));
  for (;;) {
    const { text } = await client.expectOk({ method: 'GET', path: statusPath(id) });
    if (ALL_ENDED.has(Status.parse(JSON.parse(text)).status)) break;
    await sleep(POLL_MS);
  }
  return { postMs: answer.tookMs, firstByteMs: firstByteAt - answer.sentAt };
}

interface Load {
  readonly acceptedPerS: number;
  readonly finishedPerS: number;
  readonly cpuMs: Readonly<Record<string, number>>;
}

const LOADED = ['product', 'baseline', 'tuned'] as const;
type Loaded = (typeof LOADED)[number];

async function measureLoads(sides: Sides, { posts, rounds }: BenchSize): Promise<readonly Figure[]> {
  const all: Record<Loaded, Load[]> = { product: [], baseline: [], tuned: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Each is first as often as the others.
    for (const index of LOADED.keys()) {
      const name = LOADED[(index + round) % LOADED.length] ?? 'product';
      all[name].push(await oneLoad(sides[name], posts));
    }
  }
  const ratios = (of: (load: Load) => number, to: 'baseline' | 'tuned') =>
    spreadOf(all.product.map((load, round) => of(load) / of(all[to][round] ?? load)));
  const each = (name: string, of: (load: Load) => number, unit: string): Figure[] =>
    LOADED.map((side) => ({ name: `${name}, ${side}`, unit, ...spreadOf(all[side].map(of)) }));
  const acceptedPerS = (load: Load): number => load.acceptedPerS;
  const finishedPerS = (load: Load): number => load.finishedPerS;
  const cpu = (side: Loaded): Figure[] =>
    Object.keys(sides[side].pids).map((name) => ({
      name: `CPU an operation, ${side}, ${name}`,
      unit: 'ms',
      ...spreadOf(all[side].map(({ cpuMs }) => (cpuMs[name] ?? 0) / posts)),
    }));
  const accepted = `accepted/s at ${CONNECTIONS} connections, product`;
  const finished = 'finished operations/s over the whole run, product';
  return [
    { name: `${accepted} ÷ baseline`, unit: '÷', atLeast: 6, ...ratios(acceptedPerS, 'baseline') },
    { name: `${accepted} ÷ tuned`, unit: '÷', atLeast: 6, ...ratios(acceptedPerS, 'tuned') },
    { name: `${finished} ÷ baseline`, unit: '÷', atLeast: 0.9, ...ratios(finishedPerS, 'baseline') },
    { name: `${finished} ÷ tuned`, unit: '÷', atLeast: 0.9, ...ratios(finishedPerS, 'tuned') },
    ...each('accepted/s', acceptedPerS, '/s'),
    ...each('finished/s', finishedPerS, '/s'),
    ...LOADED.flatMap(cpu),
  ];
}

/** All posts as fast as the connections allow, then the rest of the work. */
async function oneLoad(side: Side, posts: number): Promise<Load> {
  // Connections that were idle while others had their turn may just be closing at their other end.
  side.client.close();
  const finishedBefore = await side.finished();
  const cpuBefore = cpuOf(side);
  const startedAt = performance.now();
  const mails = side.sink.reached(side.sink.mails() + posts);
  await inParallel(posts, CONNECTIONS, async (index) => void (await side.client.expectOk({ method: 'POST', ...side.post(index) })));
  const acceptedS = (performance.now() - startedAt) / 1000;
  await mails;
  while ((await side.finished()) < finishedBefore + posts) await sleep(FINISH_POLL_MS);
  const finishedS = (performance.now() - startedAt) / 1000;
  const cpuMs = Object.fromEntries(Object.entries(cpuOf(side)).map(([name, ms]) => [name, ms - (cpuBefore[name] ?? 0)]));
  return { acceptedPerS: posts / acceptedS, finishedPerS: posts / finishedS, cpuMs };
}

function cpuOf({ pids }: Side): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, usageOf(pid).cpuMs]));
}

/** Mails that wait for tomorrow: what a post costs the API when nothing is started, and what a waiting mail costs. */
async function measureScheduled({ product, pid, apiUrl }: BenchWorld): Promise<readonly Figure[]> {
  const client = new TimedClient(apiUrl, { connections: 8, apiKey: product.apiKey });
  const startAt = new Date(Date.now() + 86_400_000).toISOString();
  const post = async (index: number): Promise<void> => {
    await client.expectOk({ method: 'POST', path: '/v1/emails', body: { ...mailOf(index), startAt } });
  };
  await inParallel(500, 8, post);
  await sleep(2_000);
  const appPid = product.pidOf('app');
  const before = { tree: usageOf(pid), app: usageOf(appPid), disk: await databaseBytes(product.endpoints['database'] ?? '') };
  await inParallel(SCHEDULED_MAILS, 8, post);
  const appCpuMs = usageOf(appPid).cpuMs - before.app.cpuMs;
  await sleep(2_000);
  const grownBytes = usageOf(pid).memoryBytes - before.tree.memoryBytes;
  const diskBytes = (await databaseBytes(product.endpoints['database'] ?? '')) - before.disk;
  client.close();
  return [
    { name: 'CPU of the API process a post, nothing started', unit: 'ms', ...spreadOf([appCpuMs / SCHEDULED_MAILS]) },
    { name: 'memory a scheduled mail, all processes', unit: 'kB', ...spreadOf([grownBytes / SCHEDULED_MAILS / 1024]) },
    { name: 'disk a scheduled mail, tables and indexes', unit: 'kB', ...spreadOf([diskBytes / SCHEDULED_MAILS / 1024]) },
    { name: 'memory of all processes, with all of them waiting', unit: 'MB', ...spreadOf([usageOf(pid).memoryBytes / 2 ** 20]) },
  ];
}

async function databaseBytes(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ bytes: string }>('select pg_database_size(current_database()) as bytes');
    return Number(rows[0]?.bytes);
  } finally {
    await client.end();
  }
}

async function eagerShare({ product }: BenchWorld): Promise<Figure> {
  const text = await (await fetch(product.endpoints['metrics'] ?? '')).text();
  const count = (eager: boolean): number =>
    sumOf(text, new RegExp(`^nightshift_operations_started_total\\{.*eager="${eager}".*\\} (\\S+)`, 'gm'));
  return { name: 'share of eager starts', unit: '', ...spreadOf([count(true) / (count(true) + count(false))]) };
}

async function baselineShare({ url, taskQueue }: Baseline): Promise<Figure> {
  const { starts, eagerStarts } = Finished.parse(await (await fetch(`${url}/finished`)).json());
  return { name: `share of eager starts, ${taskQueue}`, unit: '', ...spreadOf([eagerStarts / starts]) };
}

function productSide({ product, sink, apiUrl, pid }: BenchWorld, isKeyed = false): Side {
  const { metrics = '' } = product.endpoints;
  return {
    sink,
    client: new TimedClient(apiUrl, { connections: CONNECTIONS, apiKey: product.apiKey }),
    post: (ordinal) => ({
      path: '/v1/emails',
      body: mailOf(ordinal),
      ...(isKeyed ? { headers: { 'Idempotency-Key': crypto.randomUUID() } } : {}),
    }),
    statusPath: (id) => `/v1/operations/${id}`,
    finished: async () => sumOf(await (await fetch(metrics)).text(), /^nightshift_operations_finished_total\{.*\} (\S+)/gm),
    pids: { all: pid, app: product.pidOf('app'), temporal: product.pidOf('temporal'), postgres: product.pidOf('postgres') },
  };
}

function baselineSide({ sink, product }: BenchWorld, { url, pid }: Baseline): Side {
  const client = new TimedClient(url, { connections: CONNECTIONS });
  return {
    sink,
    client,
    post: (ordinal) => ({ path: '/emails', body: mailOf(ordinal) }),
    statusPath: (id) => `/emails/${id}`,
    finished: async () => Finished.parse(JSON.parse((await client.expectOk({ method: 'GET', path: '/finished' })).text)).count,
    pids: { app: pid, temporal: product.pidOf('temporal') },
  };
}

function sumOf(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}
