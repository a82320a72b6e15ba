import type { RecordScannerOptions } from '../record-scanner.ts';
import { type Converted, type ConvertRequest, type Reject, type RejectCode, TableError, type TablePlan } from '../tables.ts';
import { MAX_RECORD_BYTES } from './cut.ts';
import { LineCounter } from './line-counter.ts';
import { endLinesAlike } from './line-ends.ts';
import { writeRejects } from './rejects.ts';
import type { Session } from './session.ts';
import { columnList, copyOptions, quoted } from './sql.ts';

const TEXT_CHARS = 200;

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
  const { signal } = request;
  const path = session.pathOf('part');
  await forgetRejects(session, signal);
  const { from, rows } = await copy(session, request, path);
  const [found] = await session.rows(
    'SELECT count(*)::DOUBLE AS errors, count(DISTINCT line_byte_position)::DOUBLE AS records FROM reject_errors',
    signal,
  );
  const cut = request.chunk.rejects;
  const errors = Number(found?.['errors'] ?? 0);
  const rejectsPath = await writeRejects(session.pathOf('rejects'), cut, errors === 0 ? undefined : rejectsOf(session, from, request));
  return { path: rows === 0 ? undefined : path, rows, rejected: Number(found?.['records'] ?? 0) + cut.length, rejectsPath };
}

/** The engine wants all lines of a chunk to end alike; where they don't, it gets a copy in which they do. */
async function copy(session: Session, request: ConvertRequest, path: string): Promise<CopiedChunk> {
  const write = async (from: string): Promise<CopiedChunk> => {
    const statement = `COPY (SELECT * FROM ${reader(from, request.plan)}) TO ${quoted(path)} ${copyOptions(request.to)}`;
    const [counted] = await session.rows(statement, request.signal);
    return { from, rows: Number(counted?.['Count'] ?? 0) };
  };
  try {
    return await write(request.chunk.path);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    const alike = session.pathOf('alike');
    await endLinesAlike(request.chunk.path, alike, scanOf(request.plan));
    await forgetRejects(session, request.signal);
    return write(alike);
  }
}

interface CopiedChunk {
  /** What was read. */
  readonly from: string;
  readonly rows: number;
}

async function forgetRejects(session: Session, signal: AbortSignal): Promise<void> {
  for (const table of ['reject_errors', 'reject_scans']) await session.rows(`DROP TABLE IF EXISTS ${table}`, signal);
}

export function scanOf({ dialect }: TablePlan): RecordScannerOptions {
  return { delimiters: [dialect.delimiter.charCodeAt(0)] };
}

function reader(path: string, plan: TablePlan): string {
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
  return `read_csv(${quoted(path)}, ${options.join(', ')})`;
}

async function* rejectsOf(session: Session, from: string, { chunk, plan, signal }: ConvertRequest): AsyncGenerator<Reject> {
  // In a copy with other ends of lines nothing is where it was.
  const places = from === chunk.path ? chunk.places : [];
  await using lines = await LineCounter.open(from, scanOf(plan), { first: { byte: 0, line: chunk.firstLine }, places });
  const statement = `SELECT (line_byte_position - 1)::DOUBLE AS place, column_name AS name, error_type::VARCHAR AS sort,
    left(ltrim(csv_line, chr(10) || chr(13)), ${TEXT_CHARS}) AS text FROM reject_errors ORDER BY line_byte_position, byte_position, column_idx`;
  for await (const row of session.stream(statement, signal)) {
    const { code, message } = CODES[String(row['sort'])] ?? OTHER;
    yield {
      line: await lines.lineAt(Number(row['place'])),
      ...(row['name'] === null ? {} : { column: String(row['name']) }),
      code,
      message,
      ...(row['text'] === null ? {} : { text: String(row['text']) }),
    };
  }
}
