import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import type { ChaosFeature, FeatureRun, FeatureWorld, Verdict } from './lib/feature.ts';
import { Ledger, readLedger } from './lib/ledger.ts';
import type { Load } from './lib/load.ts';
import type { Product } from './lib/product.ts';
import { createRandom } from './lib/random.ts';
import { type TableSent, transformUnderKills } from './files/table-act.ts';
import { judgeTable } from './files/table-judge.ts';
import { redoneIn, triesOf } from './files/timeline.ts';

const CLIENT = fileURLToPath(new URL('./files/client.ts', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const LOOK_EVERY_MS = 300;
/** How large all is in a short run, and in one of so many uploads. */
const FULL_COUNT = 6;
const SHORT = { fileMiB: 32, rows: 200_000, tableKills: 2, chunkMiB: 1, bytesARow: 54 } as const;
const FULL = { fileMiB: 200, rows: 2_000_000, tableKills: 5, chunkMiB: 4, bytesARow: 54 } as const;

const Line = z.object({ accepted: z.number().optional(), resumed: z.number().optional(), done: z.string().optional() });
const Entry = z.object({ ordinal: z.number(), id: z.string(), sha256: z.string() });
const StoredFile = z.object({
  state: z.string(),
  sha256: z.string().optional(),
  sizeBytes: z.number().optional(),
  operationId: z.string().optional(),
});

/**
 * Uploads by a foreign client in processes of its own, which are killed too; the files must be those that were sent, byte by byte. Then a table
 * is transformed, with kills of its own, since they must fall between its chunks.
 */
export const filesChaos: ChaosFeature = {
  name: 'files',
  targets: ['app', 'work', 'stall', 'postgres', 'supervisor', 'temporal'],
  // Only then does another process go on with an upload.
  mustFall: 'app',
  smoke: { count: 2, kills: 2 },
  // Uploads are few and long, so none can be put aside for it.
  blackoutPosts: 0,
  open,
};

interface Seen {
  /** Bytes that each client was told are safe. */
  readonly accepted: Map<number, number>;
  /** Offsets below what had been acknowledged. */
  readonly violations: string[];
  resumed: number;
  clientKills: number;
  table?: TableSent;
}

interface Size {
  readonly fileBytes: number;
  readonly rows: number;
  readonly tableKills: number;
  readonly chunkBytes: number;
  /** Of the table, about. */
  readonly chunks: number;
}

function sizeOf(count: number): Size {
  const { fileMiB, chunkMiB, bytesARow, ...size } = count < FULL_COUNT ? SHORT : FULL;
  const chunkBytes = chunkMiB * MEBIBYTE;
  return { ...size, fileBytes: fileMiB * MEBIBYTE, chunkBytes, chunks: (size.rows * bytesARow) / chunkBytes };
}

async function open({ seed, count, folder }: FeatureRun): Promise<FeatureWorld> {
  const size = sizeOf(count);
  const ledger = await Ledger.create(join(folder, 'ledger.jsonl'));
  const seen: Seen = { accepted: new Map(), violations: [], resumed: 0, clientKills: 0 };
  return {
    environment: { RATE_LIMIT_PER_MINUTE: '10000000', TRANSFORM_CHUNK_BYTES: String(size.chunkBytes) },
    expectedEffects: (count * size.fileBytes) / MEBIBYTE,
    seenEffects: () => [...seen.accepted.values()].reduce((sum, bytes) => sum + bytes, 0) / MEBIBYTE,
    async live(ordinal, load, onAcknowledged) {
      const file = join(folder, `upload-${ordinal}.bin`);
      const sha256 = await makeFile(file, { words: `${seed}/${ordinal}`, bytes: size.fileBytes });
      const killAt = createRandom(seed, 'client', ordinal).below(size.fileBytes);
      const id = await uploadWithKills(load, { ordinal, file, killAt, seen });
      await ledger.append({ ordinal, id, sha256 });
      onAcknowledged();
      await untilChecked(load, id);
    },
    async secondAct(product, say) {
      seen.table = await transformUnderKills(product, { ...size, seed, folder, kills: size.tableKills, say });
    },
    judge: (product) => judge(product, { seen, count, fileBytes: size.fileBytes, ledgerFile: ledger.path }),
    async [Symbol.asyncDispose]() {
      await ledger[Symbol.asyncDispose]();
    },
  };
}

/** Bytes that the words repeat; answers with their hash. */
async function makeFile(path: string, { words, bytes }: { readonly words: string; readonly bytes: number }): Promise<string> {
  const key = createHash('sha256').update(words).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const hash = createHash('sha256');
  function* blocks(): Generator<Buffer> {
    for (let made = 0; made < bytes; made += MEBIBYTE) {
      const block = cipher.update(Buffer.alloc(MEBIBYTE));
      hash.update(block);
      yield block;
    }
  }
  await pipeline(Readable.from(blocks()), createWriteStream(path));
  return hash.digest('hex');
}

interface Sending {
  readonly ordinal: number;
  readonly file: string;
  /** When so many bytes were acknowledged, its first client is killed. */
  readonly killAt: number;
  readonly seen: Seen;
}

/** One client after the other until one comes to the end; answers with the file's id. */
async function uploadWithKills(load: Load, sending: Sending): Promise<string> {
  for (let client = 1; ; client += 1) {
    const url = await runClient(load, sending, client === 1);
    if (url !== undefined) return url.split('/').at(-1) ?? '';
    await load.pause(LOOK_EVERY_MS);
  }
}

/** Undefined when it was killed, or gave up. */
async function runClient(load: Load, { ordinal, file, killAt, seen }: Sending, isFirst: boolean): Promise<string | undefined> {
  const { endpoint, apiKey } = load.api();
  const child = spawn(process.execPath, [CLIENT, endpoint, file, `${file}.url`], {
    env: { PATH: process.env['PATH'], CHAOS_KEY: apiKey },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let done: string | undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = Line.parse(JSON.parse(text));
    done = line.done ?? done;
    const acknowledged = seen.accepted.get(ordinal) ?? 0;
    if (line.resumed !== undefined) {
      seen.resumed += 1;
      if (line.resumed < acknowledged)
        seen.violations.push(`upload ${ordinal} stands at ${line.resumed}, and ${acknowledged} were acknowledged`);
    }
    seen.accepted.set(ordinal, Math.max(acknowledged, line.accepted ?? 0));
    if (!isFirst || (line.accepted ?? 0) < killAt || done !== undefined || child.killed) continue;
    seen.clientKills += 1;
    child.kill('SIGKILL');
  }
  return done;
}

async function untilChecked(load: Load, id: string): Promise<void> {
  for (;;) {
    const { state } = StoredFile.parse((await load.ask('GET', `/v1/files/${id}`)).body);
    if (state === 'ready' || state === 'failed' || state === 'quarantined') return;
    await load.pause(LOOK_EVERY_MS);
  }
}

interface Judging {
  readonly seen: Seen;
  readonly count: number;
  readonly fileBytes: number;
  readonly ledgerFile: string;
}

/** By what clients sent, what the API says, and what it gives out again. */
async function judge(product: Product, { seen, count, fileBytes, ledgerFile }: Judging): Promise<Verdict> {
  const entries = readLedger(ledgerFile).map((line) => Entry.parse(line));
  const violations = [...seen.violations];
  if (entries.length !== count) violations.push(`${entries.length} of ${count} uploads came to their end`);
  let redone = 0;
  for (const { ordinal, id, sha256 } of entries) {
    const file = StoredFile.parse((await product.call('GET', `/v1/files/${id}`)).body);
    if (file.state !== 'ready') violations.push(`upload ${ordinal} (${id}) is ${file.state}`);
    if (file.sha256 !== sha256 || file.sizeBytes !== fileBytes) violations.push(`upload ${ordinal} (${id}) is said to be another file`);
    if (file.operationId !== undefined) redone += redoneIn(await triesOf(product, file.operationId));
    const given = await hashOfContent(product, id);
    if (given !== sha256) violations.push(`upload ${ordinal} (${id}) is given out as another file`);
  }
  if (seen.table === undefined) violations.push('no table was transformed');
  const table = seen.table === undefined ? undefined : await judgeTable(product, seen.table);
  if (seen.table !== undefined) redone += redoneIn(await triesOf(product, seen.table.operationId));
  return {
    violations: [...violations, ...(table?.violations ?? [])],
    redone,
    unknown: [],
    figures: {
      uploads: entries.length,
      MiB: (entries.length * fileBytes) / MEBIBYTE,
      resumed: seen.resumed,
      'clients killed': seen.clientKills,
      'table rows': seen.table?.rows ?? 0,
      'table rejects': seen.table?.faults.length ?? 0,
      'table kills': seen.table?.strikes.length ?? 0,
      chunks: table?.chunks ?? 0,
      'chunks redone': table?.redoneChunks ?? 0,
    },
  };
}

async function hashOfContent(product: Product, id: string): Promise<string> {
  const response = await fetch(`${product.endpoints['api']}/v1/files/${id}/content`, {
    headers: { Authorization: `Bearer ${product.apiKey}` },
  });
  const hash = createHash('sha256');
  if (response.body !== null) for await (const chunk of response.body) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
