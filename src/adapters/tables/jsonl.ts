import type { Converted, ConvertRequest, Reject, TableColumn } from '../tables.ts';
import { filterLines } from './json-lines.ts';
import { mergeRejects, readRejects, RejectFile } from './rejects.ts';
import type { Session } from './session.ts';
import { copyOptions, named, pointerTo, quoted } from './sql.ts';

/** Reads one chunk of JSON lines: what is no object is left out first, then values that don't fit their columns. */
export async function convertJsonl(session: Session, request: ConvertRequest): Promise<Converted> {
  const { chunk, rejects: allowed } = request;
  const early = session.pathOf('rejects-early');
  const lines = await filter(session, request, early);
  const path = session.pathOf('part');
  const rows = lines.length === 0 ? 0 : await parse(session, request, path);
  await using rejects = await RejectFile.open(session.pathOf('rejects'), allowed);
  for (const reject of chunk.rejects) await rejects.add(reject);
  const wrong = lines.length === 0 ? noRejects() : wrongTypes(session, request, lines);
  for await (const reject of mergeRejects(readRejects(early), wrong)) await rejects.add(reject);
  await session.rows('DROP TABLE IF EXISTS parsed', request.signal);
  return { path: rows === 0 ? undefined : path, rows, rejected: rejects.records, rejectsPath: await rejects.end() };
}

/** Chunks of JSON lines have one slice at most. */
async function filter(session: Session, { chunk, rejects, signal }: ConvertRequest, early: string): Promise<readonly number[]> {
  await using file = await RejectFile.open(early, rejects);
  const onReject = (reject: Reject): Promise<void> => {
    signal.throwIfAborted();
    return file.add(reject);
  };
  const [slice] = chunk.slices;
  const lines =
    slice === undefined
      ? []
      : await filterLines({ from: slice.path, to: session.pathOf('filtered'), firstLine: slice.firstLine, onReject });
  await file.end();
  return lines;
}

async function parse(session: Session, { plan, to, signal }: ConvertRequest, path: string): Promise<number> {
  await session.rows(`CREATE OR REPLACE TEMP TABLE parsed AS ${parsed(session.pathOf('filtered'), plan.columns)}`, signal);
  const values = plan.columns.map(({ name }, index) => `v${index} AS ${named(name)}`).join(', ');
  const copy = `COPY (SELECT ${values} FROM parsed WHERE bad IS NULL ORDER BY parsed.n) TO ${quoted(path)} ${copyOptions(to)}`;
  const [counted] = await session.rows(copy, signal);
  return Number(counted?.['Count'] ?? 0);
}

async function* wrongTypes(session: Session, { plan, signal }: ConvertRequest, lines: readonly number[]): AsyncGenerator<Reject> {
  const statement = 'SELECT n::DOUBLE AS n, bad::DOUBLE AS bad FROM parsed WHERE bad IS NOT NULL ORDER BY parsed.n';
  for await (const row of session.stream(statement, signal))
    yield wrongType(lines[Number(row['n'])] ?? 0, plan.columns[Number(row['bad'])]);
}

async function* noRejects(): AsyncGenerator<Reject> {}

/** The number of each line, its values, and the first column whose value does not fit. */
function parsed(path: string, columns: readonly TableColumn[]): string {
  const values = columns.map(({ name, type }, index) => {
    const at = pointerTo(name);
    return `${type === 'VARCHAR' ? `json_extract_string(json, ${at})` : `TRY_CAST(json_extract(json, ${at}) AS ${type})`} AS v${index}`;
  });
  const bad = columns.map(({ name }, index) => `WHEN v${index} IS NULL AND json_type(json, ${pointerTo(name)}) <> 'NULL' THEN ${index}`);
  return `SELECT n, ${columns.map((_, index) => `v${index}`).join(', ')}, CASE ${bad.join(' ')} END AS bad FROM (
    SELECT n, json, ${values.join(', ')} FROM (SELECT row_number() OVER () - 1 AS n, json FROM ${objectsOf(path)}))`;
}

function wrongType(line: number, column: TableColumn | undefined): Reject {
  return {
    line,
    ...(column === undefined ? {} : { column: column.name }),
    code: 'wrong_type',
    message: 'The value does not fit the type of its column.',
  };
}

export function objectsOf(path: string): string {
  return `read_ndjson_objects(${quoted(path)})`;
}
