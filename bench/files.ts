import { spawn } from 'node:child_process';
import { createReadStream, readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Upload } from 'tus-js-client';
import { usageOf } from './lib/process-tree.ts';
import { type Figure, report } from './lib/results.ts';
import { spreadOf } from './lib/stats.ts';
import type { BenchSize } from './start.ts';
import { firstLine, startWorld } from './lib/world.ts';

const BASELINE = fileURLToPath(new URL('./baseline/tus.ts', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const CHUNK_BYTES = 8 * MEBIBYTE;
const LOAD_BYTES = 256 * MEBIBYTE;
/** Of single uploads whose memory is looked at. */
const SIZES_BYTES = [10 * MEBIBYTE, 1024 * MEBIBYTE, 10 * 1024 * MEBIBYTE];
/** Buffers of one request, and what the runtime has not cleared up yet; not what an upload of this size has. */
const BAR_GROWTH_MB = 100;

interface Target {
  readonly endpoint: string;
  readonly apiKey?: string;
  /** The process that receives. */
  readonly pid: number;
}

/** MB a second of the receiving process's CPU, with SHA-256 and fsync, against the tus server of npm without; and memory by size. */
export async function benchFiles(size: BenchSize): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-files-'));
  const baseline = spawn(process.execPath, [BASELINE, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await using world = await startWorld(size.tree);
    const { product } = world;
    const ours: Target = { endpoint: `${world.apiUrl}/v1/uploads`, apiKey: product.apiKey, pid: product.pidOf('app') };
    const theirs: Target = { endpoint: await firstLine(baseline), pid: baseline.pid ?? 0 };
    const file = await makeFile(folder, LOAD_BYTES);
    const rates = { ours: [] as number[], theirs: [] as number[] };
    for (let round = 0; round <= size.rounds; round += 1) {
      const pair = { theirs: await rateOf(theirs, file, LOAD_BYTES), ours: await rateOf(ours, file, LOAD_BYTES) };
      // The first of each warms up.
      if (round === 0) continue;
      rates.ours.push(pair.ours);
      rates.theirs.push(pair.theirs);
    }
    const figures: Figure[] = [
      {
        name: 'MB a CPU second of the API, with SHA-256 ÷ @tus/server without',
        unit: '÷',
        atLeast: 0.7,
        ...spreadOf(rates.ours.map((rate, round) => rate / (rates.theirs[round] ?? Number.NaN))),
      },
      { name: 'MB a CPU second, ours with SHA-256 and fsync', unit: 'MB/s', ...spreadOf(rates.ours) },
      { name: 'MB a CPU second, @tus/server', unit: 'MB/s', ...spreadOf(rates.theirs) },
    ];
    const peaks: number[] = [];
    for (const sizeBytes of SIZES_BYTES) {
      const large = await makeFile(folder, sizeBytes);
      // The peak from now on, not of the whole run.
      writeFileSync(`/proc/${ours.pid}/clear_refs`, '5');
      await rateOf(ours, large, sizeBytes);
      rmSync(large);
      const name = `peak memory of the API during an upload of ${sizeBytes / MEBIBYTE} MiB`;
      peaks.push(peakBytes(ours.pid) / MEBIBYTE);
      figures.push({ name, unit: 'MB', ...spreadOf(peaks.slice(-1)) });
    }
    const growth = (peaks.at(-1) ?? Number.NaN) - (peaks[0] ?? Number.NaN);
    figures.push({ name: 'growth from the smallest to the largest', unit: 'MB', atMost: BAR_GROWTH_MB, ...spreadOf([growth]) });
    return report('files', figures, { rounds: size.rounds, loadMiB: LOAD_BYTES / MEBIBYTE });
  } finally {
    baseline.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

async function rateOf(target: Target, file: string, sizeBytes: number): Promise<number> {
  const before = usageOf(target.pid).cpuMs;
  await upload(target, file);
  return sizeBytes / 1e6 / ((usageOf(target.pid).cpuMs - before) / 1000);
}

function upload({ endpoint, apiKey }: Target, file: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  new Upload(createReadStream(file) as never, {
    endpoint,
    chunkSize: CHUNK_BYTES,
    ...(apiKey === undefined ? {} : { headers: { Authorization: `Bearer ${apiKey}` } }),
    onError: reject,
    onSuccess: () => resolve(),
  }).start();
  return promise;
}

async function makeFile(folder: string, sizeBytes: number): Promise<string> {
  const path = join(folder, `of-${sizeBytes}`);
  const file = await open(path, 'w');
  const block = randomBytes(MEBIBYTE);
  for (let made = 0; made < sizeBytes; made += MEBIBYTE) await file.write(block);
  await file.close();
  return path;
}

function peakBytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
