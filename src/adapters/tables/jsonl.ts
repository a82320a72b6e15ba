import type { Converted, ConvertRequest, Reject, TableColumn } from '../tables.ts';
import { filterLines } from './json-lines.ts';
import { writeRejects } from './rejects.ts';
import type { Session } from './session.ts';
import { copyOptions, named, pointerTo, quoted } from './sql.ts';

/** Reads one chunk of JSON lines: what is no object is left out first, then values that don't fit their columns. */
export async function convertJsonl(session: Session, { chunk, plan, to, signal }: ConvertRequest): Promise<Converted> {
  const filtered = session.pathOf('filtered');
  const { lines, rejects } = await filterLines({ from: chunk.path, to: filtered, firstLine: chunk.firstLine });
  const wrong: Reject[] = [];
  const path = session.pathOf('part');
  let rows = 0;
  if (lines.length > 0) {
    await session.rows(`CREATE OR REPLACE TEMP TABLE parsed AS ${parse(filtered, plan.columns)}`, signal);
    const values = plan.columns.map((_, index) => `v${index} AS ${named(plan.columns[index]?.name ?? '')}`).join(', ');
    const [counted] = await session.rows(
      `COPY (SELECT ${values} FROM parsed WHERE bad IS NULL ORDER BY parsed.n) TO ${quoted(path)} ${copyOptions(to)}`,
      signal,
    );
    rows = Number(counted?.['Count'] ?? 0);
    for await (const row of session.stream(
      'SELECT n::DOUBLE AS n, bad::DOUBLE AS bad FROM parsed WHERE bad IS NOT NULL ORDER BY n',
      signal,
    ))
      wrong.push(wrongType(lines[Number(row['n'])] ?? 0, plan.columns[Number(row['bad'])]));
    await session.rows('DROP TABLE parsed', signal);
  }
  const all = [...chunk.rejects, ...rejects, ...wrong].toSorted((one, other) => one.line - other.line);
  const rejectsPath = await writeRejects(session.pathOf('rejects'), all, undefined);
  return { path: rows === 0 ? undefined : path, rows, rejected: all.length, rejectsPath };
}

/** The number of each line, its values, and the first column whose value does not fit. */
function parse(path: string, columns: readonly TableColumn[]): string {
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
