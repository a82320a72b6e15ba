import { type OpenInput, type TableColumn, TableError, type TablePlan, type TableWish } from '../tables.ts';
import { RecordScanner } from '../record-scanner.ts';
import { cutChunks, MAX_RECORD_BYTES } from './cut.ts';
import { FieldNames } from './field-names.ts';
import { columnNames, fieldsOf, firstRecords, guessDelimiter } from './header.ts';
import { filterLines } from './json-lines.ts';
import { endLinesAlike } from './line-ends.ts';
import type { Session } from './session.ts';
import { columnList, named, quoted } from './sql.ts';

const SAMPLE_BYTES = 8 * 1024 * 1024;
const SAMPLE_ROWS = 20_480;
const MAX_COLUMNS = 2_000;
const HEAD_BYTES = 256 * 1024;
/** Asked about at a time: a statement about all of them takes the engine time by the square of their number, and no cancel ends it. */
const COLUMNS_AT_A_TIME = 50;

/** Types of texts, the narrowest first: all values of the sample must have the form and be one. Leading zeros make no number of a code. */
const TEXT_TYPES: readonly { readonly type: string; readonly form: string }[] = [
  { type: 'BOOLEAN', form: '(?i)(true|false)' },
  { type: 'BIGINT', form: '[+-]?(0|[1-9][0-9]{0,18})' },
  { type: 'DOUBLE', form: '[+-]?(0|[1-9][0-9]*)?(\\.[0-9]+)?([eE][+-]?[0-9]{1,3})?' },
  { type: 'DATE', form: '[0-9]{4}-[0-9]{2}-[0-9]{2}' },
  { type: 'TIME', form: '[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?' },
  { type: 'TIMESTAMP', form: '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?' },
  { type: 'TIMESTAMPTZ', form: '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)' },
];

const UNLIKE_NAMES =
  'The objects have fields without a name, or whose names differ only in capitals. Say in `columns` which ones are wanted, with the type `text` for objects.';

interface Asked {
  readonly open: OpenInput;
  readonly wish: TableWish;
}

/** Reads the beginning of a table, and decides how all of it is read. */
export async function inspectTable(session: Session, { open: openInput, wish }: Asked, signal: AbortSignal): Promise<TablePlan> {
  const start = { firstByte: 0, firstLine: 1 };
  if (wish.format === 'jsonl') {
    const plan = { dialect: { format: 'jsonl' as const, delimiter: ',' }, columns: [], ...start };
    const path = await sample(session, openInput, plan);
    return { ...plan, columns: wish.columns ?? (await jsonColumns(session, path, signal)) };
  }
  const { head, delimiter } = await headOf(openInput, wish.delimiter ?? (wish.format === 'tsv' ? '\t' : undefined));
  const [first] = firstRecords(head, delimiter);
  if (first === undefined) throw new TableError('The table is empty.');
  const fields = fieldsOf(first.text, delimiter);
  if (fields.length > MAX_COLUMNS) throw new TableError(`The table has more than ${MAX_COLUMNS} columns.`);
  const names = wish.hasHeader ? columnNames(fields) : fields.map((_, index) => `column${index}`);
  if (wish.columns !== undefined && wish.columns.length !== names.length)
    throw new TableError(`The table has ${names.length} columns, and ${wish.columns.length} were described.`);
  const begin = wish.hasHeader ? { firstByte: first.endByte, firstLine: 1 + first.endLines } : start;
  const plan = { dialect: { format: wish.format, delimiter }, columns: wish.columns ?? [], ...begin };
  if (wish.columns !== undefined) return plan;
  return { ...plan, columns: await textColumns(session, { path: await sample(session, openInput, plan), delimiter, names }, signal) };
}

interface Head {
  /** The first record and, where that is short, more of them: whole ones. */
  readonly head: Buffer;
  readonly delimiter: string;
}

/** Reads as far as the first record goes, since a half one would give other columns. */
async function headOf(openInput: OpenInput, known: string | undefined): Promise<Head> {
  let head: Buffer = Buffer.alloc(0);
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let enough = HEAD_BYTES;
  for await (const piece of openInput(0)) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes < enough) continue;
    head = Buffer.concat([head, ...pieces]);
    pieces = [];
    const delimiter = known ?? guessDelimiter(head);
    const begin = head.findIndex((byte) => byte !== 0x0a && byte !== 0x0d);
    const scanner = new RecordScanner({ delimiters: [delimiter.charCodeAt(0)] });
    scanner.take(head);
    if (begin !== -1 && scanner.recordEnd > begin) return { head: head.subarray(0, scanner.recordEnd), delimiter };
    if (begin !== -1 && bytes - begin > MAX_RECORD_BYTES)
      throw new TableError(`The first record is longer than ${MAX_RECORD_BYTES} bytes, or a quote in it is never closed.`);
    enough = begin === -1 ? 2 * bytes : Math.min(2 * bytes, begin + MAX_RECORD_BYTES + 1);
  }
  head = Buffer.concat([head, ...pieces]);
  return { head, delimiter: known ?? guessDelimiter(head) };
}

/** Undefined when there is nothing. */
async function sample(session: Session, openInput: OpenInput, plan: TablePlan): Promise<string | undefined> {
  const { firstByte, firstLine } = plan;
  const chunks = cutChunks({ open: openInput, plan, firstByte, firstLine, chunkBytes: SAMPLE_BYTES }, session.pathOf('sample'));
  // Without columns a chunk is one slice.
  for await (const { slices } of chunks) return slices[0]?.path;
  return undefined;
}

interface TextSample {
  readonly path: string | undefined;
  readonly delimiter: string;
  readonly names: readonly string[];
}

async function textColumns(session: Session, { path, delimiter, names }: TextSample, signal: AbortSignal): Promise<readonly TableColumn[]> {
  const columns = names.map((name) => ({ name, type: 'VARCHAR' }));
  if (path === undefined) return columns;
  const read = (
    from: string,
  ): string => `CREATE OR REPLACE TEMP TABLE sample AS SELECT * FROM read_csv(${quoted(from)}, auto_detect = false, header = false,
    delim = ${quoted(delimiter)}, quote = '"', escape = '"', columns = ${columnList(columns)}, ignore_errors = true) LIMIT ${SAMPLE_ROWS}`;
  try {
    await session.rows(read(path), signal);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    const alike = session.pathOf('alike');
    await endLinesAlike(path, alike, { delimiters: [delimiter.charCodeAt(0)] });
    await session.rows(read(alike), signal);
  }
  const types: string[] = [];
  for (let from = 0; from < names.length; from += COLUMNS_AT_A_TIME)
    types.push(...(await typesOf(session, names.slice(from, from + COLUMNS_AT_A_TIME), signal)));
  await session.rows('DROP TABLE sample', signal);
  return names.map((name, index) => ({ name, type: types[index] ?? 'VARCHAR' }));
}

async function typesOf(session: Session, names: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const fits = names.flatMap((name, index) =>
    TEXT_TYPES.map(
      ({ type, form }, sort) =>
        `bool_and(regexp_full_match(${named(name)}, ${quoted(form)}) AND TRY_CAST(${named(name)} AS ${type}) IS NOT NULL) AS f${index}_${sort}`,
    ),
  );
  const [found] = await session.rows(`SELECT ${fits.join(', ')} FROM sample`, signal);
  return names.map((_, index) => TEXT_TYPES.find((_type, sort) => found?.[`f${index}_${sort}`] === true)?.type ?? 'VARCHAR');
}

async function jsonColumns(session: Session, path: string | undefined, signal: AbortSignal): Promise<readonly TableColumn[]> {
  const filtered = session.pathOf('filtered');
  const names = new FieldNames();
  let objects = 0;
  const onObject = (value: object): void => {
    if (objects < SAMPLE_ROWS) names.take(value);
    objects += 1;
  };
  const lines = path === undefined ? [] : await filterLines({ from: path, to: filtered, firstLine: 1, onObject });
  if (lines.length === 0) throw new TableError('The beginning of the file has no line that is a JSON object.');
  if (!names.areDistinct) throw new TableError(UNLIKE_NAMES);
  const options = `format = 'newline_delimited', sample_size = ${SAMPLE_ROWS}, map_inference_threshold = -1, field_appearance_threshold = 0, maximum_object_size = 16777216`;
  const described = await session.rows(`DESCRIBE SELECT * FROM read_json(${quoted(filtered)}, ${options})`, signal);
  if (described.length > MAX_COLUMNS) throw new TableError(`The objects have more than ${MAX_COLUMNS} fields.`);
  if (described.length === 0) throw new TableError('The objects at the beginning of the file have no fields.');
  const columns = described.map((row) => ({ name: String(row['column_name']), type: String(row['column_type']) }));
  if (columns.some(({ name }) => !names.has(name))) throw new TableError(UNLIKE_NAMES);
  return columns;
}
