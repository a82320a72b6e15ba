// A process of its own that converts a table of which nothing fits, and says how much memory that took.
import { readFileSync } from 'node:fs';
import { createDuckdbTables } from '../../src/adapters/tables-duckdb.ts';

const [folder = '', format = '', records = ''] = process.argv.slice(2);
const WIDE_COLUMNS = 300;

function table(): { readonly first: string; readonly record: string } {
  if (format === 'jsonl') return { first: '{"a":1}\n', record: '1\n' };
  if (format === 'csv') return { first: 'a,b\n1,2\n', record: 'x\n' };
  const line = (field: (index: number) => string): string =>
    `${Array.from({ length: WIDE_COLUMNS }, (_, index) => field(index)).join(',')}\n`;
  return { first: `${line((index) => `c${index}`)}${line(String)}`, record: line(() => 'x') };
}

const { first, record } = table();
const bytes = Buffer.concat([Buffer.from(first), Buffer.alloc(record.length * Number(records), record)]);
const columns = Array.from({ length: WIDE_COLUMNS }, (_, index) => ({ name: `c${index}`, type: 'BIGINT' }));
const described = format === 'wide' ? { columns } : {};
const signal = new AbortController().signal;

async function* open(firstByte: number) {
  for (let at = firstByte; at < bytes.length; at += 262_144) yield Buffer.from(bytes.subarray(at, at + 262_144));
}

await using work = await createDuckdbTables({ folder }).open({ threads: 1 });
const plan = await work.inspect(
  open,
  { format: format === 'jsonl' ? 'jsonl' : 'csv', hasHeader: format !== 'jsonl', ...described },
  signal,
);
const { firstByte, firstLine } = plan;
let rejected = 0;
for await (const chunk of work.cut({ open, plan, firstByte, firstLine, chunkBytes: 64 * 1024 * 1024 })) {
  const to = { format: 'parquet', compression: 'zstd' } as const;
  const converted = await work.convert({ chunk, plan, to, rejects: { left: 1e9, of: 1e9 }, signal });
  rejected += converted.rejected;
}
const peakKb = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
console.log(JSON.stringify({ rejected, peakMb: Number(peakKb) / 1024 }));
