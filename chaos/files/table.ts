import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createRandom } from '../lib/random.ts';

/** About one record in so many is faulty. */
const FAULT_EVERY = 5_000;
const ROWS_A_PIECE = 2_000;

/** As a reader that knows nothing of chunks must read it. */
export const COLUMNS = { id: 'BIGINT', customer: 'VARCHAR', note: 'VARCHAR', amount: 'DOUBLE' } as const;

/** The same, as a transform is asked for them. */
export const REQUEST = {
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'customer', type: 'text' },
    { name: 'note', type: 'text' },
    { name: 'amount', type: 'number' },
  ],
} as const;

/** A record that must be reported, and why. */
export interface Fault {
  /** In which it begins; notes have newlines in them, so that records and lines are not the same. */
  readonly line: number;
  /** Undefined where it is the record that is wrong, and no column of it. */
  readonly column?: string | undefined;
  readonly code: string;
}

/** Writes a table of so many records, the same for the same seed; gives the faults that it has. */
export async function writeTable(
  path: string,
  { seed, rows }: { readonly seed: number; readonly rows: number },
): Promise<readonly Fault[]> {
  const random = createRandom(seed, 'table');
  const faults: Fault[] = [];
  let line = 2;
  const record = (id: number): string => {
    const isQuoted = id % 3 === 0;
    const note = isQuoted ? `"said ""yes"",\nthen left ${random.below(1_000_000)}"` : `plain words ${random.below(1_000_000)}`;
    const amount = `${random.below(100_000)}.${random.below(90) + 10}`;
    const fields = [String(id), `customer ${random.below(5_000)}`, note, amount];
    if (random.below(FAULT_EVERY) === 0) faults.push({ line, ...spoil(fields, faults.length) });
    line += isQuoted ? 2 : 1;
    return `${fields.join(',')}\n`;
  };
  function* pieces(): Generator<string> {
    yield `${Object.keys(COLUMNS).join(',')}\n`;
    for (let from = 1; from <= rows; from += ROWS_A_PIECE) {
      const length = Math.min(ROWS_A_PIECE, rows - from + 1);
      yield Array.from({ length }, (_, index) => record(from + index)).join('');
    }
  }
  await pipeline(Readable.from(pieces()), createWriteStream(path));
  return faults;
}

/** Makes the record one that does not fit; answers with how it must be reported. */
function spoil(fields: string[], turn: number): Omit<Fault, 'line'> {
  switch (turn % 3) {
    case 0:
      fields[0] = 'no number';
      return { column: 'id', code: 'wrong_type' };
    case 1:
      fields.push('too much');
      return { code: 'too_many_columns' };
    default:
      fields.pop();
      return { column: 'amount', code: 'missing_columns' };
  }
}
