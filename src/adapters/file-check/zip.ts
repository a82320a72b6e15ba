import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import { type EntryWatch, watchEntry } from './entry.ts';
import type { Inspection } from './inspection.ts';
import { EntryNames } from './names.ts';
import type { ByteSource } from './source.ts';
import { unpacked } from './unpack.ts';
import { readZipDirectory, type ZipEntry } from './zip-directory.ts';

const HEADER_BYTES = 30;
const HEADER_SIGNATURE = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
/** Smaller ones are unpacked in one go: ten thousand streams would take seconds. */
const SMALL_BYTES = 1024 * 1024;
const FILE_TYPE = 0o170000;
const REGULAR = 0o100000;
const FOLDER = 0o040000;
const LINK = 0o120000;
/** Encrypted, strongly encrypted, directory encrypted. */
const ENCRYPTED = 0x2041;
const SIZES_FOLLOW = 0x0008;

/** What the entries of a zip say of its type: office documents and programs are zips too. */
export interface ZipFacts {
  readonly names: readonly string[];
  /** Content of the entry `mimetype`, when there is one. */
  readonly mimetype: string | undefined;
  readonly contentTypes: string | undefined;
}

/** Looks into every entry of a zip, without writing anything anywhere. */
export async function checkZip(source: ByteSource, inspection: Inspection, depth: number): Promise<ZipFacts> {
  const entries = await readZipDirectory(source, inspection);
  const names = new EntryNames(inspection);
  for (const entry of entries) {
    inspection.countEntry();
    names.add(entry.name);
    checkSort(entry, inspection);
  }
  const starts = await checkHeaders(source, entries, inspection);
  const kept = new Map<string, string>();
  for (const [index, entry] of entries.entries()) {
    if (entry.name.endsWith('/') && entry.packedBytes === 0) continue;
    const watch = watchEntry(entry.name, inspection, depth);
    await unpackEntry({ source, entry, start: starts[index] ?? 0, inspection, watch });
    await watch.end();
    if (watch.text !== undefined) kept.set(entry.name, watch.text);
  }
  return {
    names: entries.map(({ name }) => name),
    mimetype: kept.get('mimetype'),
    contentTypes: kept.get('[Content_Types].xml'),
  };
}

function checkSort({ name, flags, method, unixMode }: ZipEntry, inspection: Inspection): void {
  if ((flags & ENCRYPTED) !== 0 || method === 99) inspection.refuse('archive_encrypted');
  if (method !== STORED && method !== DEFLATED) inspection.refuse('archive_unsupported', `packed by method ${method}`);
  const type = unixMode & FILE_TYPE;
  if (type === LINK) inspection.add('archive_link');
  else if (type !== 0 && type !== REGULAR && type !== FOLDER) inspection.add('archive_special_entry');
  if (type === FOLDER && !name.endsWith('/')) inspection.add('archive_header_mismatch', 'a folder that is a file');
}

/** Headers must say what the directory says, and entries must not share bytes. Gives where the content of each begins. */
async function checkHeaders(source: ByteSource, entries: readonly ZipEntry[], inspection: Inspection): Promise<readonly number[]> {
  const starts: number[] = [];
  const spans: { readonly from: number; readonly to: number }[] = [];
  for (const entry of entries) {
    const header = await source.read(entry.headerOffset, HEADER_BYTES + entry.rawName.length);
    if (header.length < HEADER_BYTES || header.readUInt32LE(0) !== HEADER_SIGNATURE)
      inspection.refuse('archive_header_mismatch', 'no header where the directory says');
    const nameBytes = header.readUInt16LE(26);
    const sizesFollow = (header.readUInt16LE(6) & SIZES_FOLLOW) !== 0;
    const isSame =
      nameBytes === entry.rawName.length &&
      header.subarray(HEADER_BYTES).equals(entry.rawName) &&
      header.readUInt16LE(8) === entry.method &&
      (header.readUInt16LE(6) & ENCRYPTED) === 0 &&
      (sizesFollow || hasSameSizes(header, entry));
    if (!isSame) inspection.add('archive_header_mismatch');
    const start = entry.headerOffset + HEADER_BYTES + nameBytes + header.readUInt16LE(28);
    starts.push(start);
    spans.push({ from: entry.headerOffset, to: start + entry.packedBytes });
    if (start + entry.packedBytes > source.sizeBytes) inspection.refuse('archive_damaged', 'an entry goes beyond the end');
  }
  const sorted = spans.toSorted((one, other) => one.from - other.from);
  for (const [index, span] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next.from < span.to) inspection.refuse('archive_overlap');
  }
  if (sorted[0] !== undefined && sorted[0].from > 0) inspection.add('polyglot', 'something comes before the archive');
  return starts;
}

function hasSameSizes(header: Buffer, { crc32: checksum, packedBytes, unpackedBytes }: ZipEntry): boolean {
  const fits = (small: number, size: number): boolean => small === size || small === 0xffffffff;
  return header.readUInt32LE(14) === checksum && fits(header.readUInt32LE(18), packedBytes) && fits(header.readUInt32LE(22), unpackedBytes);
}

interface Unpacking {
  readonly source: ByteSource;
  readonly entry: ZipEntry;
  readonly start: number;
  readonly inspection: Inspection;
  readonly watch: EntryWatch;
}

async function unpackEntry({ source, entry, start, inspection, watch }: Unpacking): Promise<void> {
  const { limits } = inspection;
  // What is said can be held against the limits before anything is unpacked.
  inspection.countInflated({ more: 0, unpacked: entry.unpackedBytes, packed: entry.packedBytes });
  if (entry.unpackedBytes > limits.maxInflatedBytes) inspection.refuse('archive_bomb');
  let bytes = 0;
  let checksum = 0;
  const take = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    checksum = crc32(chunk, checksum);
    inspection.countInflated({ more: chunk.length, unpacked: bytes, packed: entry.packedBytes });
    if (bytes > entry.unpackedBytes) inspection.refuse('archive_header_mismatch', 'an entry is larger than it says');
    watch.take(chunk);
  };
  if (entry.method === STORED) for await (const chunk of source.stream(start, entry.packedBytes)) take(chunk);
  else if (entry.packedBytes <= SMALL_BYTES && entry.unpackedBytes <= SMALL_BYTES) {
    take(inflateSmall(await source.read(start, entry.packedBytes), entry, inspection));
  } else for await (const chunk of unpacked(source.stream(start, entry.packedBytes), createInflateRaw(), inspection)) take(chunk);
  if (bytes !== entry.unpackedBytes) inspection.add('archive_header_mismatch', 'an entry has not the size that it says');
  if (checksum !== entry.crc32) inspection.add('archive_bad_checksum');
}

function inflateSmall(packed: Buffer, entry: ZipEntry, inspection: Inspection): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: entry.unpackedBytes + 1 });
  } catch (error) {
    const isLarger = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return isLarger
      ? inspection.refuse('archive_header_mismatch', 'an entry is larger than it says')
      : inspection.refuse('archive_damaged', 'an entry can not be unpacked');
  }
}
