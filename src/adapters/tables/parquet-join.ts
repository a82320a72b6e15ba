import { oneAtATime } from '../give-back.ts';
import type { OutputPart } from '../tables.ts';
import { readStruct, type ThriftList, type ThriftStruct, type ThriftValue, writeStruct } from './thrift.ts';

const MAGIC = Buffer.from('PAR1');
/** Length of the footer, and the magic. */
const END_BYTES = 8;
/** Fields of the footer, as Parquet's definition numbers them. */
const ROWS = 3;
const ROW_GROUPS = 4;
const GROUP = { columns: 1, offset: 5, ordinal: 7 } as const;
const COLUMN = { offset: 2, metadata: 3, offsetIndex: 4, columnIndex: 6 } as const;
const METADATA_OFFSETS: readonly number[] = [9, 10, 11, 14];
const MAX_ORDINAL = 32_767n;

/**
 * Puts Parquet files of one schema one after the other: their row groups are copied as they are, and only the footer, which says where they
 * lie, is made anew. Nothing is unpacked or packed again.
 */
export async function* joinParquet(parts: readonly OutputPart[]): AsyncGenerator<Uint8Array> {
  yield MAGIC;
  let offset = MAGIC.length;
  let footer: ThriftStruct | undefined;
  for (const part of parts) {
    const read = await readFooter(part);
    const dataBytes = part.sizeBytes - END_BYTES - read.sizeBytes - MAGIC.length;
    if (dataBytes > 0) yield* oneAtATime(part.read(MAGIC.length, MAGIC.length + dataBytes - 1));
    const groups = listOf(read.footer, ROW_GROUPS);
    for (const group of groups.values) moveGroup(asStruct(group), BigInt(offset - MAGIC.length));
    if (footer === undefined) footer = read.footer;
    else append(footer, read.footer);
    offset += Math.max(0, dataBytes);
  }
  if (footer === undefined) throw new Error('a Parquet file is made of one part at least');
  number(listOf(footer, ROW_GROUPS));
  const bytes = writeStruct(footer);
  const end = Buffer.alloc(4);
  end.writeUInt32LE(bytes.length);
  yield Buffer.concat([bytes, end, MAGIC]);
}

async function readFooter(part: OutputPart): Promise<{ readonly footer: ThriftStruct; readonly sizeBytes: number }> {
  const end = await bytesOf(part, part.sizeBytes - END_BYTES, part.sizeBytes - 1);
  if (!end.subarray(4).equals(MAGIC)) throw new Error('a part is no Parquet file');
  const sizeBytes = end.readUInt32LE(0);
  const last = part.sizeBytes - END_BYTES - 1;
  return { footer: readStruct(await bytesOf(part, last - sizeBytes + 1, last)), sizeBytes };
}

async function bytesOf(part: OutputPart, firstByte: number, lastByte: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of part.read(firstByte, lastByte)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Everything that is an offset in the file. Zero means that there is none. */
function moveGroup(group: ThriftStruct, by: bigint): void {
  move(group, GROUP.offset, by);
  for (const value of listOf(group, GROUP.columns).values) {
    const column = asStruct(value);
    for (const id of [COLUMN.offset, COLUMN.offsetIndex, COLUMN.columnIndex]) move(column, id, by);
    const metadata = column.fields.find(({ id }) => id === COLUMN.metadata);
    if (metadata !== undefined) for (const id of METADATA_OFFSETS) move(asStruct(metadata.value), id, by);
  }
}

function move({ fields }: ThriftStruct, id: number, by: bigint): void {
  const field = fields.find((one) => one.id === id);
  if (field !== undefined && typeof field.value === 'bigint' && field.value > 0n) field.value += by;
}

function append(footer: ThriftStruct, next: ThriftStruct): void {
  listOf(footer, ROW_GROUPS).values.push(...listOf(next, ROW_GROUPS).values);
  const rows = footer.fields.find(({ id }) => id === ROWS);
  const more = next.fields.find(({ id }) => id === ROWS);
  if (typeof rows?.value !== 'bigint' || typeof more?.value !== 'bigint') throw new Error('a footer has no count of rows');
  rows.value += more.value;
}

/** Row groups may say their number, as long as it is small. */
function number(groups: ThriftList): void {
  for (const [index, value] of groups.values.entries()) {
    const { fields } = asStruct(value);
    const at = fields.findIndex(({ id }) => id === GROUP.ordinal);
    const field = fields[at];
    if (field === undefined) continue;
    if (BigInt(index) > MAX_ORDINAL) fields.splice(at, 1);
    else field.value = BigInt(index);
  }
}

function listOf({ fields }: ThriftStruct, id: number): ThriftList {
  const value = fields.find((one) => one.id === id)?.value;
  if (typeof value === 'object' && 'values' in value && 'type' in value) return value as ThriftList; // a Buffer has no `type`
  throw new Error(`a footer has no list ${id}`);
}

function asStruct(value: ThriftValue): ThriftStruct {
  if (typeof value === 'object' && 'fields' in value) return value;
  throw new Error('a footer has something else where a structure should be');
}
