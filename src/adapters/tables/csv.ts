import type { RecordScannerOptions } from '../record-scanner.ts';
import { type ChunkSlice, type Converted, type ConvertRequest, type OutputFormat, TableError, type TablePlan } from '../tables.ts';
import { countFaults, forgetRejects, MANY_FAULTS, numberOf, rejectsOf } from './csv-rejects.ts';
import { MAX_RECORD_BYTES } from './cut.ts';
import { giveEngineMemoryBack } from './engine-memory.ts';
import { endLinesAlike } from './line-ends.ts';
import { RejectFile } from './rejects.ts';
import type { Row, Session } from './session.ts';
import { columnList, copyOptions, quoted, readOutput } from './sql.ts';

/** What one statement may leave of faults in the engine's tables, unless they are of one slice. */
const MAX_FAULT_BYTES = 48 * 1024 * 1024;
/** More, or more columns, take so much memory that it is worth while to ask for it back. */
const FEW_FAULTS = 10_000;
const FEW_COLUMNS = 100;
/** What rounds make is read but once more. */
const ROUND_OUTPUT: OutputFormat = { format: 'parquet', compression: 'none' };

/** Slices that are read by one statement. */
interface Round {
  readonly request: ConvertRequest;
  readonly slices: readonly ChunkSlice[];
  readonly to: OutputFormat;
  readonly path: string;
}

/**
 * Reads chunks of a delimited text with the engine's own reader, which keeps what it could not take: in one go, or in rounds where that would
 * take too much memory.
 */
export function createCsvConverter(session: Session): (request: ConvertRequest) => Promise<Converted> {
  // Where one chunk is full of faults, the next is likely to be so too.
  let isCrowded = false;

  return async function convertCsv(request) {
    const { chunk, plan, signal } = request;
    await using rejects = await RejectFile.open(session.pathOf('rejects'), request.rejects);
    for (const reject of chunk.rejects) await rejects.add(reject);
    const made: { readonly path: string; readonly rows: number }[] = [];
    let faults = 0;
    for (let done = 0; done < chunk.slices.length;) {
      const slices = isCrowded ? chunk.slices.slice(done, done + 1) : chunk.slices.slice(done);
      const isAll = slices.length === chunk.slices.length;
      const path = session.pathOf(isAll ? 'part' : `round-${done}`);
      await forgetRejects(session, signal);
      const copied = await copy(session, { request, slices, path, to: isAll ? request.to : ROUND_OUTPUT });
      if (copied === undefined) {
        isCrowded = true;
        await giveEngineMemoryBack();
        continue;
      }
      const counted = await countFaults(session, signal);
      // Before the faults are read, which takes memory too.
      if (counted > FEW_FAULTS || plan.columns.length > FEW_COLUMNS) await giveEngineMemoryBack();
      const scan = scanOf(plan);
      for await (const reject of rejectsOf(session, { slices: copied.slices, faults: counted, scan, signal })) await rejects.add(reject);
      faults += counted;
      if (copied.rows > 0) made.push({ path, rows: copied.rows });
      done += slices.length;
    }
    // Not only before the next chunk: by then the engine has given their memory back.
    await forgetRejects(session, signal);
    if (faults <= MANY_FAULTS) isCrowded = false;
    const rows = made.reduce((sum, round) => sum + round.rows, 0);
    const path = await together(session, request, made);
    return { path, rows, rejected: rejects.records, rejectsPath: await rejects.end() };
  };
}

/** Gives one part of what the rounds made; undefined of nothing. */
async function together(
  session: Session,
  { plan, to, signal }: ConvertRequest,
  made: readonly { readonly path: string }[],
): Promise<string | undefined> {
  const part = session.pathOf('part');
  const [first] = made;
  if (first === undefined || first.path === part) return first?.path;
  const rows = readOutput(
    made.map(({ path }) => path),
    ROUND_OUTPUT,
    plan.columns,
  );
  await session.rows(`COPY (SELECT * FROM ${rows}) TO ${quoted(part)} ${copyOptions(to)}`, signal);
  return part;
}

interface Copied {
  /** What was read. */
  readonly slices: readonly ChunkSlice[];
  readonly rows: number;
}

/**
 * The engine wants all lines of a chunk to end alike; where they don't, it gets a copy in which they do. Undefined: there are too many faults
 * for so many slices.
 */
async function copy(session: Session, round: Round): Promise<Copied | undefined> {
  const { slices, request } = round;
  const { plan, signal } = request;
  try {
    return await write(session, round, slices);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    const alike: ChunkSlice[] = [];
    for (const slice of slices) {
      signal.throwIfAborted();
      // In a copy with other ends of lines nothing is where it was.
      const other = { path: session.pathOf(`alike-${numberOf(slice)}`), firstLine: slice.firstLine, places: [] };
      await endLinesAlike(slice.path, other.path, scanOf(plan));
      alike.push(other);
    }
    await forgetRejects(session, signal);
    return write(session, round, alike);
  }
}

async function write(session: Session, { request, to, path }: Round, slices: readonly ChunkSlice[]): Promise<Copied | undefined> {
  const { plan, signal } = request;
  const statement = `COPY (SELECT * FROM ${reader(slices, plan)}) TO ${quoted(path)} ${copyOptions(to)}`;
  let counted: readonly Row[] | undefined;
  if (slices.length === 1) counted = await session.rows(statement, signal);
  else counted = await session.rowsWithin(MAX_FAULT_BYTES, statement, signal);
  return counted === undefined ? undefined : { slices, rows: Number(counted[0]?.['Count'] ?? 0) };
}

function scanOf({ dialect }: TablePlan): RecordScannerOptions {
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
