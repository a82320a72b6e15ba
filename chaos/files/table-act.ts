import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { Target } from '../lib/plan.ts';
import type { Product } from '../lib/product.ts';
import { type Fault, REQUEST, writeTable } from './table.ts';
import { triesOf } from './timeline.ts';

const CLIENT = fileURLToPath(new URL('./client.ts', import.meta.url));
const LOOK_EVERY_MS = 20;
/** Nothing of it may take longer, however slow the machine is. */
const PATIENCE_MS = 180_000;
/** Who is struck, in turns: the worker most of the time, since it does the work. */
const TARGETS: readonly Target[] = ['work', 'work', 'postgres', 'work', 'supervisor'];

const StoredFile = z.object({ state: z.string() });
const Started = z.object({ id: z.string() });
export const Transform = z.object({
  status: z.string(),
  finishedAt: z.string().optional(),
  result: z.object({ fileId: z.string(), rejectsFileId: z.string().optional(), rows: z.number(), rejected: z.number() }).optional(),
});

export interface TablePlan {
  readonly seed: number;
  readonly folder: string;
  readonly rows: number;
  readonly kills: number;
  /** How many chunks the table will have, about. */
  readonly chunks: number;
  readonly say: (line: string) => void;
}

/** What was sent, and what was asked for. */
export interface TableSent {
  readonly path: string;
  readonly rows: number;
  readonly faults: readonly Fault[];
  /** When somebody was killed. */
  readonly strikes: readonly Strike[];
  readonly operationId: string;
}

export interface Strike {
  readonly target: Target;
  readonly at: Date;
}

/** Uploads a table and has it transformed, while processes die when so and so many chunks are seen in the timeline. */
export async function transformUnderKills(product: Product, { seed, folder, rows, kills, chunks, say }: TablePlan): Promise<TableSent> {
  const path = join(folder, 'table.csv');
  const faults = await writeTable(path, { seed, rows });
  const fileId = await upload(product, path);
  await until(async () => StoredFile.parse((await product.call('GET', `/v1/files/${fileId}`)).body).state === 'ready');
  const operationId = Started.parse((await product.call('POST', `/v1/files/${fileId}/transforms`, { body: REQUEST })).body).id;
  const strikes: Strike[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const target = TARGETS[(kill - 1) % TARGETS.length] ?? 'work';
    const wanted = Math.floor((kill * chunks) / (kills + 1));
    await until(async () => (await chunksOf(product, operationId)).length >= wanted || (await hasEnded(product, operationId)));
    const seen = (await chunksOf(product, operationId)).length;
    const startedAt = performance.now();
    strikes.push({ target, at: new Date() });
    if (target === 'supervisor') await product.killSupervisorAndStart();
    else await product.killAndAwait(target);
    say(`table ${kill}/${kills} ${target} at ${seen} chunks: back after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  }
  await until(() => hasEnded(product, operationId));
  return { path, rows, faults, strikes, operationId };
}

/** Every try at a chunk, as the API's timeline has it. */
export async function chunksOf(product: Product, operationId: string): Promise<readonly string[]> {
  return (await triesOf(product, operationId)).filter(({ activity }) => activity === 'transformChunk').map(({ activityId }) => activityId);
}

async function hasEnded(product: Product, operationId: string): Promise<boolean> {
  const { status } = Transform.parse((await product.call('GET', `/v1/operations/${operationId}`)).body);
  return status === 'succeeded' || status === 'failed';
}

async function upload(product: Product, path: string): Promise<string> {
  const child = spawn(process.execPath, [CLIENT, `${product.endpoints['api']}/v1/uploads`, path, `${path}.url`], {
    env: { PATH: process.env['PATH'], CHAOS_KEY: product.apiKey },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  await once(child, 'close');
  const [, id] = /"done":"[^"]*\/([^"/]+)"/.exec(output) ?? [];
  if (id === undefined) throw new Error('The table could not be uploaded.');
  return id;
}

/** Goes on over requests that fail because a process was killed. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; !(await isTrue().catch(() => false)); await sleep(LOOK_EVERY_MS))
    if (performance.now() > deadline) throw new Error(`The transform did not go on for ${PATIENCE_MS / 1000} s.`);
}
