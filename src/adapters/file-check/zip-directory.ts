import type { Inspection } from './inspection.ts';
import type { ByteSource } from './source.ts';

const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const ENTRY_BYTES = 46;
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const END_SIGNATURE = 0x06054b50;
const END_64_SIGNATURE = 0x06064b50;
const LOCATOR_64_SIGNATURE = 0x07064b50;
const ENTRY_SIGNATURE = 0x02014b50;
const ZIP_64_EXTRA = 0x0001;
const UNICODE_PATH_EXTRA = 0x7075;
const MAX_32 = 0xffffffff;
const MAX_16 = 0xffff;

/** An entry as the central directory has it. */
export interface ZipEntry {
  readonly name: string;
  readonly rawName: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  readonly headerOffset: number;
  /** Type and rights as Unix has them; 0 when another system made the entry. */
  readonly unixMode: number;
}

interface End {
  readonly entries: number;
  readonly sizeBytes: number;
  readonly offset: number;
  /** Where what follows the directory begins. */
  readonly endOffset: number;
}

/** Where the directory of a zip ends, when the last bytes are those of a zip; whatever comes before them. */
export async function findZipEnd(source: ByteSource): Promise<{ readonly offset: number; readonly record: Buffer } | undefined> {
  const tailBytes = Math.min(source.sizeBytes, END_BYTES + MAX_COMMENT_BYTES);
  const tailOffset = source.sizeBytes - tailBytes;
  const tail = await source.read(tailOffset, tailBytes);
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== END_SIGNATURE) continue;
    const commentBytes = tail.readUInt16LE(at + 20);
    if (at + END_BYTES + commentBytes === tail.length) return { offset: tailOffset + at, record: tail.subarray(at, at + END_BYTES) };
  }
  return undefined;
}

/** The entries of the central directory, in its order; refuses where a reader would have to guess. */
export async function readZipDirectory(source: ByteSource, inspection: Inspection): Promise<readonly ZipEntry[]> {
  const end = await readEnd(source, inspection);
  if (end.entries > inspection.limits.maxEntries) inspection.refuse('archive_too_many_entries', `${end.entries} entries`);
  if (end.sizeBytes > MAX_DIRECTORY_BYTES) inspection.refuse('archive_too_many_entries', 'its directory is too large');
  if (end.offset + end.sizeBytes !== end.endOffset) {
    // Bytes before the first entry move everything; bytes between directory and end hide what some readers see.
    inspection.add('archive_damaged', 'the directory is not where the end says');
    if (end.offset + end.sizeBytes > end.endOffset) inspection.refuse('archive_damaged');
  }
  const directory = await source.read(end.offset, end.sizeBytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < end.entries; index += 1) {
    if (at + ENTRY_BYTES > directory.length || directory.readUInt32LE(at) !== ENTRY_SIGNATURE)
      inspection.refuse('archive_damaged', `entry ${index} of the directory`);
    const bytes = ENTRY_BYTES + directory.readUInt16LE(at + 28) + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    if (at + bytes > directory.length) inspection.refuse('archive_damaged', `entry ${index} of the directory`);
    entries.push(parseEntry(directory.subarray(at, at + bytes), inspection));
    at += bytes;
  }
  if (at !== directory.length) inspection.add('archive_damaged', 'the directory holds more than its entries');
  return entries;
}

async function readEnd(source: ByteSource, inspection: Inspection): Promise<End> {
  const found = await findZipEnd(source);
  if (found === undefined) return inspection.refuse('archive_damaged', 'no end of a directory');
  const { record, offset } = found;
  const isSplit = record.readUInt16LE(4) !== 0 || record.readUInt16LE(6) !== 0 || record.readUInt16LE(8) !== record.readUInt16LE(10);
  const plain = {
    entries: record.readUInt16LE(10),
    sizeBytes: record.readUInt32LE(12),
    offset: record.readUInt32LE(16),
    endOffset: offset,
  };
  const needs64 = plain.entries === MAX_16 || plain.sizeBytes === MAX_32 || plain.offset === MAX_32;
  const locator = await source.read(Math.max(0, offset - 20), 20);
  if (locator.length === 20 && locator.readUInt32LE(0) === LOCATOR_64_SIGNATURE) {
    const at = Number(locator.readBigUInt64LE(8));
    const large = at + 56 <= offset ? await source.read(at, 56) : Buffer.alloc(0);
    if (large.length < 56 || large.readUInt32LE(0) !== END_64_SIGNATURE) inspection.refuse('archive_damaged', 'no zip64 end');
    const end = {
      entries: safe(large.readBigUInt64LE(32)),
      sizeBytes: safe(large.readBigUInt64LE(40)),
      offset: safe(large.readBigUInt64LE(48)),
      endOffset: at,
    };
    const isSame = (needs64 || end.entries === plain.entries) && (plain.offset === MAX_32 || end.offset === plain.offset);
    if (!isSame) inspection.add('archive_header_mismatch', 'two ends of the directory differ');
    return end;
  }
  if (isSplit) inspection.refuse('archive_unsupported', 'a part of a split archive');
  if (needs64) inspection.refuse('archive_damaged', 'no zip64 end');
  return plain;
}

function parseEntry(record: Buffer, inspection: Inspection): ZipEntry {
  const nameBytes = record.readUInt16LE(28);
  const rawName = record.subarray(ENTRY_BYTES, ENTRY_BYTES + nameBytes);
  const extra = record.subarray(ENTRY_BYTES + nameBytes, ENTRY_BYTES + nameBytes + record.readUInt16LE(30));
  const flags = record.readUInt16LE(8);
  const madeBy = record.readUInt8(5);
  const large = new ZipExtra(extra);
  const unpackedBytes = large.take(record.readUInt32LE(24));
  const packedBytes = large.take(record.readUInt32LE(20));
  const headerOffset = large.take(record.readUInt32LE(42));
  if (large.isShort) inspection.add('archive_damaged', 'a zip64 field is missing');
  if (large.hasOtherName) inspection.add('archive_header_mismatch', 'an entry has two names');
  return {
    name: nameOf(rawName, flags, inspection),
    rawName,
    flags,
    method: record.readUInt16LE(10),
    crc32: record.readUInt32LE(16),
    packedBytes,
    unpackedBytes,
    headerOffset,
    // 3 is Unix, 19 is macOS.
    unixMode: madeBy === 3 || madeBy === 19 ? record.readUInt16LE(40) : 0,
  };
}

/** Bit 11 promises UTF-8. Without it the bytes are of an old code page, of which all that matters here is ASCII. */
function nameOf(raw: Buffer, flags: number, inspection: Inspection): string {
  const text = raw.toString('utf8');
  const isUtf8 = !text.includes('\ufffd');
  if (!isUtf8 && (flags & 0x0800) !== 0) inspection.add('archive_bad_name', 'not UTF-8');
  return isUtf8 ? text : raw.toString('latin1').replace(/[\u0080-\u00ff]/g, '?');
}

/** Sizes that don't fit 32 bits, in the order in which an entry lacks them. */
class ZipExtra {
  readonly hasOtherName: boolean = false;
  isShort = false;
  #large: Buffer = Buffer.alloc(0);

  constructor(extra: Buffer) {
    for (let at = 0; at + 4 <= extra.length;) {
      const length = extra.readUInt16LE(at + 2);
      const body = extra.subarray(at + 4, at + 4 + length);
      if (extra.readUInt16LE(at) === ZIP_64_EXTRA) this.#large = body;
      if (extra.readUInt16LE(at) === UNICODE_PATH_EXTRA) this.hasOtherName = true;
      at += 4 + length;
    }
  }

  take(small: number): number {
    if (small !== MAX_32) return small;
    if (this.#large.length < 8) {
      this.isShort = true;
      return small;
    }
    const value = safe(this.#large.readBigUInt64LE(0));
    this.#large = this.#large.subarray(8);
    return value;
  }
}

function safe(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}
