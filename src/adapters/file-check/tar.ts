import { hasTarChecksum } from './archive-sort.ts';
import { watchEntry } from './entry.ts';
import type { Inspection } from './inspection.ts';
import { EntryNames } from './names.ts';

const BLOCK_BYTES = 512;
/** Long names and PAX records; a larger one is an attack. */
const MAX_RECORD_BYTES = 64 * 1024;

interface TarHeader {
  readonly name: string;
  readonly sizeBytes: number;
  readonly type: string;
}

/** What a header that is no entry says of the entry after it. */
interface Overrides {
  name?: string;
  sizeBytes?: number;
}

/** Reads a tar as it comes, without writing anything anywhere. */
export async function checkTar(content: AsyncIterable<Uint8Array>, inspection: Inspection, depth: number): Promise<void> {
  const reader = new BlockReader(content);
  const names = new EntryNames(inspection);
  let overrides: Overrides = {};
  try {
    for (;;) {
      const block = await reader.read(BLOCK_BYTES);
      if (block.length === 0) return inspection.add('archive_damaged', 'the end of the archive is missing');
      if (block.length < BLOCK_BYTES) inspection.refuse('archive_damaged', 'cut off');
      if (block.every((byte) => byte === 0)) return;
      const header = parseHeader(block, inspection);
      if ('LKxg'.includes(header.type)) {
        inspection.countEntry();
        Object.assign(overrides, await readOverrides(reader, header, inspection));
        continue;
      }
      const entry = { ...header, ...overrides };
      overrides = {};
      checkEntry(entry, names, inspection);
      const watch = watchEntry(entry.name, inspection, depth);
      await reader.pass(entry.sizeBytes, (chunk) => watch.take(chunk), inspection);
      await watch.end();
      await reader.read(padding(entry.sizeBytes));
    }
  } finally {
    await reader.close();
  }
}

function parseHeader(block: Buffer, inspection: Inspection): TarHeader {
  if (!hasTarChecksum(block)) inspection.refuse('archive_damaged', 'a header has a wrong checksum');
  const text = (from: number, length: number): string => {
    const field = block.subarray(from, from + length);
    const end = field.indexOf(0);
    return field.toString('utf8', 0, end === -1 ? length : end);
  };
  const isUstar = text(257, 5) === 'ustar';
  const prefix = isUstar ? text(345, 155) : '';
  const name = text(0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    sizeBytes: numberOf(block.subarray(124, 136), inspection),
    type: String.fromCharCode(block[156] ?? 0),
  };
}

/** Octal text, or, with the first bit set, a number of 95 bits. */
function numberOf(field: Buffer, inspection: Inspection): number {
  if ((field[0] ?? 0) >= 0x80) {
    const value = field.readBigUInt64BE(4);
    const isSmall = field.subarray(1, 4).every((byte) => byte === 0) && field[0] === 0x80 && value <= BigInt(Number.MAX_SAFE_INTEGER);
    return isSmall ? Number(value) : inspection.refuse('archive_damaged', 'a size that can not be');
  }
  const digits = field.toString('latin1').replaceAll(/[\0 ]/g, '');
  if (!/^[0-7]*$/.test(digits)) inspection.refuse('archive_damaged', 'a size that is no number');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function checkEntry({ name, type, sizeBytes }: TarHeader, names: EntryNames, inspection: Inspection): void {
  inspection.countEntry();
  names.add(name.replace(/^\.\//, '').replace(/\/$/, '') || 'root');
  if (type === '1' || type === '2') inspection.add('archive_link');
  else if (!['\0', '0', '5', '7'].includes(type)) inspection.add('archive_special_entry');
  if ('12345'.includes(type) && type !== '\0' && sizeBytes > 0)
    inspection.refuse('archive_header_mismatch', 'a link or folder with content');
  if (sizeBytes > inspection.limits.maxInflatedBytes) inspection.refuse('archive_bomb');
}

async function readOverrides(reader: BlockReader, { type, sizeBytes }: TarHeader, inspection: Inspection): Promise<Overrides> {
  if (sizeBytes > MAX_RECORD_BYTES) inspection.refuse('archive_bad_name', 'a name that is too long');
  const body = await reader.read(sizeBytes);
  await reader.read(padding(sizeBytes));
  if (type === 'L') return { name: body.toString('utf8').replace(/\0.*$/s, '') };
  if (type === 'K') return {};
  const found: Overrides = {};
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = space === -1 ? 0 : Number(body.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length <= space - at + 1 || at + length > body.length)
      inspection.refuse('archive_damaged', 'a PAX record');
    const record = body.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') found.name = value;
    if (key === 'size' && /^\d{1,15}$/.test(value)) found.sizeBytes = Number(value);
    at += length;
  }
  return type === 'x' ? found : {};
}

function padding(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** Cuts a stream into the pieces that are asked for. */
class BlockReader {
  readonly #content: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content[Symbol.asyncIterator]();
  }

  /** Fewer bytes at the end. */
  async read(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      const { value, done } = await this.#content.next();
      if (done === true) break;
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    const piece = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return piece;
  }

  /** Hands on what comes, without keeping it. */
  async pass(length: number, take: (chunk: Uint8Array) => void, inspection: Inspection): Promise<void> {
    let left = length;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#content.next();
        if (done === true) return inspection.refuse('archive_damaged', 'cut off');
        this.#rest = Buffer.from(value);
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      take(piece);
    }
  }

  async close(): Promise<void> {
    await this.#content.return?.();
  }
}
