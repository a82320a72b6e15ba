import type { ColumnProfile, ProfileRequest, TableColumn, TableProfile } from '../tables.ts';
import type { Row, Session } from './session.ts';
import { named, readOutput } from './sql.ts';

const BINS = 20;
const TOP = 10;
const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95];
const NUMBERS = /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|FLOAT|DOUBLE|DECIMAL)/;
const TIMES = /^(?:DATE|TIMESTAMP)/;
/** Longer values are told by their beginning. */
const VALUE_CHARS = 100;

/** Asked about at a time: what the engine keeps for each would be more than its memory, or, with thousands, end the process. */
const COLUMNS_AT_A_TIME = 200;

/** For so many columns at a time: one pass for what every column has, one for histograms, whose bounds the first finds. Memory does not grow with rows. */
export async function profileTable(session: Session, { paths, to, columns, signal }: ProfileRequest): Promise<TableProfile> {
  const source = readOutput(paths, to, columns);
  const [counted = {}] = await session.rows(`SELECT count(*)::DOUBLE AS rows FROM ${source}`, signal);
  const rows = Number(counted['rows'] ?? 0);
  const profiles: ColumnProfile[] = [];
  for (let from = 0; from < columns.length; from += COLUMNS_AT_A_TIME) {
    const some = columns.slice(from, from + COLUMNS_AT_A_TIME);
    const ask = async (expressions: readonly string[]): Promise<Row> =>
      expressions.length === 0 ? {} : ((await session.rows(`SELECT ${expressions.join(', ')} FROM ${source}`, signal))[0] ?? {});
    const first = await ask(some.flatMap((column, index) => factsOf(column, index)));
    const second = await ask(some.flatMap((column, index) => binsOf(column, index, first)));
    profiles.push(...some.map((column, index) => profileOf({ column, index, rows, first, second })));
  }
  return { rows, columns: profiles };
}

function sortOf({ type }: TableColumn): 'number' | 'time' | 'other' {
  if (NUMBERS.test(type) && !type.endsWith('[]')) return 'number';
  return TIMES.test(type) && !type.endsWith('[]') ? 'time' : 'other';
}

/** The column as a number: seconds since 1970 for times. */
function numeric(column: TableColumn): string {
  const name = named(column.name);
  return sortOf(column) === 'time' ? `epoch(${name}::TIMESTAMP)` : `${name}::DOUBLE`;
}

function factsOf(column: TableColumn, index: number): readonly string[] {
  const name = named(column.name);
  const shown = `left(${name}::VARCHAR, ${VALUE_CHARS})`;
  const common = [`count(${name})::DOUBLE AS values_${index}`, `approx_count_distinct(${name})::DOUBLE AS distinct_${index}`];
  if (sortOf(column) === 'other')
    return [
      ...common,
      `to_json(approx_top_k(${shown}, ${TOP}))::VARCHAR AS top_${index}`,
      `min(${shown}) AS min_${index}`,
      `max(${shown}) AS max_${index}`,
    ];
  const value = `CASE WHEN isfinite(${numeric(column)}) THEN ${numeric(column)} END`;
  return [
    ...common,
    `min(${value}) AS min_${index}`,
    `max(${value}) AS max_${index}`,
    `avg(${value}) AS mean_${index}`,
    `coalesce(stddev_samp(${value}), 0) AS deviation_${index}`,
    `to_json(approx_quantile(${value}, [${SHARES.join(', ')}]))::VARCHAR AS quantiles_${index}`,
  ];
}

function binsOf(column: TableColumn, index: number, first: Row): readonly string[] {
  const [min, max] = [first[`min_${index}`], first[`max_${index}`]];
  if (sortOf(column) === 'other' || typeof min !== 'number' || typeof max !== 'number') return [];
  const width = (max - min) / BINS;
  const value = numeric(column);
  const bin = width > 0 ? `least(${BINS - 1}, greatest(0, floor((${value} - ${literal(min)}) / ${literal(width)})))` : '0';
  return [`to_json(histogram(CASE WHEN isfinite(${value}) THEN (${bin})::INTEGER END))::VARCHAR AS bins_${index}`];
}

function literal(value: number): string {
  return `'${value}'::DOUBLE`;
}

interface Found {
  readonly column: TableColumn;
  readonly index: number;
  readonly rows: number;
  readonly first: Row;
  readonly second: Row;
}

function profileOf({ column, index, rows, first, second }: Found): ColumnProfile {
  const values = Number(first[`values_${index}`] ?? 0);
  const distinct = Math.min(values, Number(first[`distinct_${index}`] ?? 0));
  const base = { name: column.name, type: column.type, values, nulls: rows - values, distinct };
  const [min, max] = [first[`min_${index}`], first[`max_${index}`]];
  if (sortOf(column) === 'other') {
    const top = parse<readonly string[] | null>(first[`top_${index}`]) ?? [];
    const bounds = typeof min === 'string' && typeof max === 'string' ? { min, max } : {};
    return { ...base, ...bounds, top: top.map((value) => ({ value })) };
  }
  if (typeof min !== 'number' || typeof max !== 'number') return base;
  const isTime = sortOf(column) === 'time';
  const shown = (value: number): string | number => (isTime ? new Date(value * 1000).toISOString() : value);
  const counts = parse<Record<string, number>>(second[`bins_${index}`]) ?? {};
  const width = (max - min) / BINS;
  const bins = width > 0 ? BINS : 1;
  const histogram = Array.from({ length: bins }, (_, bin) => ({
    from: shown(min + bin * width),
    to: shown(bin === bins - 1 ? max : min + (bin + 1) * width),
    count: Number(counts[String(bin)] ?? 0),
  }));
  if (isTime) return { ...base, min: shown(min), max: shown(max), histogram };
  const quantiles = parse<readonly number[]>(first[`quantiles_${index}`]) ?? [];
  const [mean, standardDeviation] = [Number(first[`mean_${index}`]), Number(first[`deviation_${index}`])];
  return { ...base, min, max, mean, standardDeviation, quantiles, histogram };
}

/** JSON that the engine wrote. */
function parse<T>(text: unknown): T | undefined {
  return typeof text === 'string' ? (JSON.parse(text) as T) : undefined;
}
