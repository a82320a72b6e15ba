import { execFile } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import { REQUEST, writeTable } from '../chaos/files/table.ts';
import { usageOf } from './lib/process-tree.ts';
import { type Figure, report } from './lib/results.ts';
import { spreadOf } from './lib/stats.ts';
import { type BenchWorld, startWorld } from './lib/world.ts';
import type { BenchSize } from './start.ts';

const BASELINE = fileURLToPath(new URL('./baseline/duckdb.ts', import.meta.url));
const ROWS = 4_000_000;
const MEBIBYTE = 1024 * 1024;
/** Tables whose memory is looked at: about 10 MB and 1 GB. */
const MEMORY_ROWS = [200_000, 20_000_000];
const BAR_MEMORY_MB = 512;

const Once = z.object({ cpuMs: z.number(), rows: z.number(), rejects: z.number() });
const Ended = z.object({ status: z.string(), result: z.object({ rows: z.number(), rejected: z.number() }).optional() });
const Started = z.object({ id: z.string() });
const Accepted = z.object({ links: z.object({ resource: z.string() }) });

/**
 * Rows a second of the worker's CPU, from CSV to Parquet with the report of rejects, against DuckDB in one go on the same file in turns; and the
 * worker's memory by size.
 */
export async function benchTables(size: BenchSize): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-tables-'));
  try {
    await using world = await startWorld(size.tree);
    const table = join(folder, 'table.csv');
    const faults = await writeTable(table, { seed: 1, rows: ROWS });
    const fileId = await upload(world, table);
    const rates = { ours: [] as number[], once: [] as number[] };
    for (let round = 0; round <= size.rounds; round += 1) {
      const once = await inOneGo(table, folder);
      if (once.rows !== ROWS - faults.length || once.rejects !== faults.length) throw new Error('The baseline has other rows.');
      const ours = await transform(world, fileId);
      if (ours.rows !== once.rows || ours.rejects !== once.rejects) throw new Error('The product has other rows than the baseline.');
      // The first of each warms up.
      if (round === 0) continue;
      rates.once.push(once.rows / once.cpuMs);
      rates.ours.push(ours.rows / ours.cpuMs);
    }
    const figures: Figure[] = [
      {
        name: 'rows a CPU second of the worker ÷ DuckDB in one go',
        unit: '÷',
        atLeast: 0.6,
        ...spreadOf(rates.ours.map((rate, round) => rate / (rates.once[round] ?? Number.NaN))),
      },
      { name: 'thousand rows a CPU second, ours', unit: 'k/s', ...spreadOf(rates.ours) },
      { name: 'thousand rows a CPU second, DuckDB in one go', unit: 'k/s', ...spreadOf(rates.once) },
    ];
    for (const rows of MEMORY_ROWS) figures.push(await memoryFigure(world, folder, rows));
    return report('tables', figures, { rounds: size.rounds, rows: ROWS, bytes: statSync(table).size });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function memoryFigure(world: BenchWorld, folder: string, rows: number): Promise<Figure> {
  const path = join(folder, `memory-${rows}.csv`);
  await writeTable(path, { seed: 2, rows });
  const name = `peak memory of the worker, table of ${Math.round(statSync(path).size / MEBIBYTE)} MiB`;
  const fileId = await upload(world, path);
  rmSync(path);
  const pid = world.product.pidOf('work');
  // From now on, not from its start.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  await transform(world, fileId);
  const peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  return { name, unit: 'MB', atMost: BAR_MEMORY_MB, ...spreadOf([peakBytes / MEBIBYTE]) };
}

async function inOneGo(table: string, folder: string): Promise<z.output<typeof Once>> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    BASELINE,
    table,
    join(folder, 'once.parquet'),
    join(folder, 'once.jsonl'),
  ]);
  return Once.parse(JSON.parse(stdout));
}

/** CPU of the whole worker process while the operation is open: chunks, ledger, joining, cleaning up. */
async function transform({ product }: BenchWorld, fileId: string): Promise<z.output<typeof Once>> {
  const pid = product.pidOf('work');
  const before = usageOf(pid).cpuMs;
  const { id } = Started.parse((await product.call('POST', `/v1/files/${fileId}/transforms`, { body: REQUEST })).body);
  for (;;) {
    const { status, result } = Ended.parse((await product.call('GET', `/v1/operations/${id}`)).body);
    if (status === 'failed') throw new Error('The transform failed.');
    if (status === 'succeeded' && result !== undefined)
      return { cpuMs: usageOf(pid).cpuMs - before, rows: result.rows, rejects: result.rejected };
    await sleep(200);
  }
}

async function upload({ apiUrl, product }: BenchWorld, path: string): Promise<string> {
  const headers = { Authorization: `Bearer ${product.apiKey}`, 'Content-Type': 'text/csv', 'Content-Length': String(statSync(path).size) };
  const sent = request(`${apiUrl}/v1/files?name=table.csv`, { method: 'POST', headers });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  sent.on('error', reject);
  sent.on('response', (answer) => void answer.toArray().then((parts) => resolve(Buffer.concat(parts).toString()), reject));
  await pipeline(createReadStream(path), sent);
  const fileId =
    Accepted.parse(JSON.parse(await promise))
      .links.resource.split('/')
      .at(-1) ?? '';
  for (;;) {
    const { body } = await product.call('GET', `/v1/files/${fileId}`);
    const { state } = z.object({ state: z.string() }).parse(body);
    if (state === 'ready') return fileId;
    if (state !== 'checking') throw new Error(`The table is ${state}.`);
    await sleep(200);
  }
}
