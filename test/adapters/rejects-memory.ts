// A process of its own that converts a table of which nothing fits, and says how much memory that took.
import { readFileSync } from 'node:fs';
import { createDuckdbTables } from '../../src/adapters/tables-duckdb.ts';

const [folder = '', format = '', records = ''] = process.argv.slice(2);
const isCsv = format === 'csv';
const first = isCsv ? 'a,b\n1,2\n' : '{"a":1}\n';
const bytes = Buffer.concat([Buffer.from(first), Buffer.alloc(2 * Number(records), isCsv ? 'x\n' : '1\n')]);
const signal = new AbortController().signal;

async function* open(firstByte: number) {
  for (let at = firstByte; at < bytes.length; at += 262_144) yield Buffer.from(bytes.subarray(at, at + 262_144));
}

await using work = await createDuckdbTables({ folder }).open({ threads: 1 });
const plan = await work.inspect(open, { format: isCsv ? 'csv' : 'jsonl', hasHeader: isCsv }, signal);
const { firstByte, firstLine } = plan;
let rejected = 0;
for await (const chunk of work.cut({ open, plan, firstByte, firstLine, chunkBytes: 64 * 1024 * 1024 })) {
  const to = { format: 'parquet', compression: 'zstd' } as const;
  const converted = await work.convert({ chunk, plan, to, rejects: { left: 1e9, of: 1e9 }, signal });
  rejected += converted.rejected;
}
const peakKb = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
console.log(JSON.stringify({ rejected, peakMb: Number(peakKb) / 1024 }));
