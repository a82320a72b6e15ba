import type { RecordScannerOptions } from '../record-scanner.ts';
import {
  type ChunkSlice,
  type Converted,
  type ConvertRequest,
  type Reject,
  type RejectCode,
  TableError,
  type TablePlan,
} from '../tables.ts';
import { MAX_RECORD_BYTES } from './cut.ts';
import { LineCounter } from './line-counter.ts';
import { endLinesAlike } from './line-ends.ts';
import { RejectFile } from './rejects.ts';
import type { Session } from './session.ts';
import { columnList, copyOptions, quoted } from './sql.ts';

const TEXT_CHARS = 200;
const FAULTS_AT_A_TIME = 100_000;

const CODES: Readonly<Record<string, { readonly code: RejectCode; readonly message: string }>> = {
  CAST: { code: 'wrong_type', message: 'The value does not fit the type of its column.' },
  'MISSING COLUMNS': { code: 'missing_columns', message: 'The record has fewer fields than the table has columns.' },
  'TOO MANY COLUMNS': { code: 'too_many_columns', message: 'The record has more fields than the table has columns.' },
  'UNQUOTED VALUE': { code: 'bad_quotes', message: 'A quoted field goes on after its closing quote, or has none.' },
  'LINE SIZE OVER MAXIMUM': { code: 'record_too_long', message: `The record is longer than ${MAX_RECORD_BYTES} bytes.` },
  'INVALID ENCODING': { code: 'invalid_encoding', message: 'The record is not in the encoding that the table is in.' },
};
const OTHER = { code: 'unreadable', message: 'The record can not be read.' } as const;

/** Reads one chunk of a delimited text with the engine's own reader, which keeps what it could not take. */
export async function convertCsv(session: Session, request: ConvertRequest): Promise<Converted> {
  const { chunk, signal } = request;
  const path = session.pathOf('part');
  await using rejects = await RejectFile.open(session.pathOf('rejects'), request.rejects);
  for (const reject of chunk.rejects) await rejects.add(reject);
  if (chunk.slices.length === 0) return { path: undefined, rows: 0, rejected: rejects.records, rejectsPath: await rejects.end() };
  await forgetRejects(session, signal);
  const { from, rows } = await copy(session, request, path);
  for await (const reject of rejectsOf(session, from, request)) await rejects.add(reject);
  // Not only before the next chunk: by then the engine has given their memory back.
  await forgetRejects(session, signal);
  return { path: rows === 0 ? undefined : path, rows, rejected: rejects.records, rejectsPath: await rejects.end() };
}

/** The engine wants all lines of a chunk to end alike; where they don't, it gets a copy in which they do. */
async function copy(session: Session, request: ConvertRequest, path: string): Promise<CopiedChunk> {
  const write = async (from: readonly ChunkSlice[]): Promise<CopiedChunk> => {
    const statement = `COPY (SELECT * FROM ${reader(from, request.plan)}) TO ${quoted(path)} ${copyOptions(request.to)}`;
    const [counted] = await session.rows(statement, request.signal);
    return { from, rows: Number(counted?.['Count'] ?? 0) };
  };
  const { slices } = request.chunk;
  try {
    return await write(slices);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    const alike: ChunkSlice[] = [];
    for (const [index, { path: unlike, firstLine }] of slices.entries()) {
      request.signal.throwIfAborted();
      // In a copy with other ends of lines nothing is where it was.
      const slice = { path: session.pathOf(`alike-${index}`), firstLine, places: [] };
      await endLinesAlike(unlike, slice.path, scanOf(request.plan));
      alike.push(slice);
    }
    await forgetRejects(session, request.signal);
    return write(alike);
  }
}

interface CopiedChunk {
  /** What was read. */
  readonly from: readonly ChunkSlice[];
  readonly rows: number;
}

async function forgetRejects(session: Session, signal: AbortSignal): Promise<void> {
  for (const table of ['reject_errors', 'reject_scans']) await session.rows(`DROP TABLE IF EXISTS ${table}`, signal);
}

export function scanOf({ dialect }: TablePlan): RecordScannerOptions {
  return { delimiters: [dialect.delimiter.charCodeAt(0)] };
}

function reader(slices: readonly ChunkSlice[], plan: TablePlan): string {
  const options = [
    'auto_detect = false',
    'header = false',
    `delim = ${quoted(plan.dialect.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `columns = ${columnList(plan.columns)}`,
    'store_rejects = true',
    'rejects_limit = 0',
    `max_line_size = ${MAX_RECORD_BYTES}`,
    'strict_mode = true',
    'parallel = false',
  ];
  return `read_csv([${slices.map(({ path }) => quoted(path)).join(', ')}], ${options.join(', ')})`;
}

/** In order; where they are many, slice by slice, since the engine puts what it sorts in memory. */
async function* rejectsOf(session: Session, from: readonly ChunkSlice[], { plan, signal }: ConvertRequest): AsyncGenerator<Reject> {
  await using lines = new SliceLines(from, scanOf(plan));
  const [found] = await session.rows('SELECT count(*)::DOUBLE AS faults FROM reject_errors', signal);
  const faults = Number(found?.['faults'] ?? 0);
  if (faults === 0) return;
  const pages = faults <= FAULTS_AT_A_TIME ? [''] : from.map(({ path }) => `WHERE file_path = ${quoted(path)}`);
  for (const page of pages) {
    // The number of a slice ends its name.
    const statement = `SELECT regexp_extract(file_path, '[0-9]+$')::DOUBLE AS slice, (line_byte_position - 1)::DOUBLE AS place, column_name AS name,
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

/** Tells the lines of places in slices, asked for from the first to the last. */
class SliceLines implements AsyncDisposable {
  readonly #slices: readonly ChunkSlice[];
  readonly #options: RecordScannerOptions;
  #index = -1;
  #lines: LineCounter | undefined;

  constructor(slices: readonly ChunkSlice[], options: RecordScannerOptions) {
    this.#slices = slices;
    this.#options = options;
  }

  async lineAt(index: number, place: number): Promise<number> {
    if (this.#lines === undefined || index !== this.#index) {
      await this[Symbol.asyncDispose]();
      const { path, firstLine, places } = this.#slices[index] ?? missing();
      this.#lines = await LineCounter.open(path, this.#options, { first: { byte: 0, line: firstLine }, places });
      this.#index = index;
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
