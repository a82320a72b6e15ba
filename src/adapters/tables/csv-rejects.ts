import type { RecordScannerOptions } from '../record-scanner.ts';
import type { ChunkSlice, Reject, RejectCode } from '../tables.ts';
import { MAX_RECORD_BYTES } from './cut.ts';
import { LineCounter } from './line-counter.ts';
import type { Session } from './session.ts';
import { quoted } from './sql.ts';

const TEXT_CHARS = 200;
/** More are looked at slice by slice. */
export const MANY_FAULTS = 100_000;

const CODES: Readonly<Record<string, { readonly code: RejectCode; readonly message: string }>> = {
  CAST: { code: 'wrong_type', message: 'The value does not fit the type of its column.' },
  'MISSING COLUMNS': { code: 'missing_columns', message: 'The record has fewer fields than the table has columns.' },
  'TOO MANY COLUMNS': { code: 'too_many_columns', message: 'The record has more fields than the table has columns.' },
  'UNQUOTED VALUE': { code: 'bad_quotes', message: 'A quoted field goes on after its closing quote, or has none.' },
  'LINE SIZE OVER MAXIMUM': { code: 'record_too_long', message: `The record is longer than ${MAX_RECORD_BYTES} bytes.` },
  'INVALID ENCODING': { code: 'invalid_encoding', message: 'The record is not in the encoding that the table is in.' },
};
const OTHER = { code: 'unreadable', message: 'The record can not be read.' } as const;

/** What the engine has read, and how. */
interface ReadSlices {
  readonly slices: readonly ChunkSlice[];
  /** In them. */
  readonly faults: number;
  readonly scan: RecordScannerOptions;
  readonly signal: AbortSignal;
}

/** What the engine has kept of them is forgotten. */
export async function forgetRejects(session: Session, signal: AbortSignal): Promise<void> {
  for (const table of ['reject_errors', 'reject_scans']) await session.rows(`DROP TABLE IF EXISTS ${table}`, signal);
}

export async function countFaults(session: Session, signal: AbortSignal): Promise<number> {
  const [found] = await session.rows('SELECT count(*)::DOUBLE AS faults FROM reject_errors', signal);
  return Number(found?.['faults'] ?? 0);
}

/** In order; where they are many, slice by slice, since the engine puts what it sorts in memory. */
export async function* rejectsOf(session: Session, { slices, faults, scan, signal }: ReadSlices): AsyncGenerator<Reject> {
  await using lines = new SliceLines(slices, scan);
  if (faults === 0) return;
  const pages = faults <= MANY_FAULTS ? [''] : slices.map(({ path }) => `WHERE file_path = ${quoted(path)}`);
  for (const page of pages) {
    const statement = `SELECT regexp_extract(file_path, '${NUMBER.source}')::DOUBLE AS slice, (line_byte_position - 1)::DOUBLE AS place, column_name AS name,
      error_type::VARCHAR AS sort, left(ltrim(csv_line, chr(10) || chr(13)), ${TEXT_CHARS}) AS text
      FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ${page} ORDER BY slice, line_byte_position, byte_position, column_idx`;
    for await (const row of session.stream(statement, signal)) {
      const { code, message } = CODES[String(row['sort'])] ?? OTHER;
      yield {
        line: await lines.lineAt(Number(row['slice']), Number(row['place'])),
        ...(row['name'] === null ? {} : { column: String(row['name']) }),
        code,
        message,
        ...(row['text'] === null ? {} : { text: String(row['text']) }),
      };
    }
  }
}

/** The number of a slice ends its name. */
const NUMBER = /[0-9]+$/;

/** Of a slice, in its chunk. */
export function numberOf({ path }: ChunkSlice): number {
  return Number(NUMBER.exec(path)?.[0]);
}

/** Tells the lines of places in slices, asked for from the first to the last. */
class SliceLines implements AsyncDisposable {
  readonly #slices: ReadonlyMap<number, ChunkSlice>;
  readonly #options: RecordScannerOptions;
  #number = -1;
  #lines: LineCounter | undefined;

  constructor(slices: readonly ChunkSlice[], options: RecordScannerOptions) {
    this.#slices = new Map(slices.map((slice) => [numberOf(slice), slice]));
    this.#options = options;
  }

  async lineAt(slice: number, place: number): Promise<number> {
    if (this.#lines === undefined || slice !== this.#number) {
      await this[Symbol.asyncDispose]();
      const { path, firstLine, places } = this.#slices.get(slice) ?? missing();
      this.#lines = await LineCounter.open(path, this.#options, { first: { byte: 0, line: firstLine }, places });
      this.#number = slice;
    }
    return this.#lines.lineAt(place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lines?.[Symbol.asyncDispose]();
    this.#lines = undefined;
  }
}

function missing(): never {
  throw new Error('the engine read a slice that nobody wrote');
}
