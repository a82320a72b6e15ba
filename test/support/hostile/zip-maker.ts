import { crc32, deflateRawSync } from 'node:zlib';

/** An entry as it is written; what differs from the truth is said in the fields that lie. */
export interface MadeEntry {
  readonly name: string | Buffer;
  readonly data?: Buffer | string;
  /** Already packed, by method 8. */
  readonly packed?: Buffer;
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  /** Of the unpacked content, as both headers say. */
  readonly sizeBytes?: number;
  readonly unixMode?: number;
  readonly extra?: Buffer;
  /** What the header before the content says instead. */
  readonly local?: {
    readonly name?: string;
    readonly method?: number;
    readonly sizeBytes?: number;
    readonly crc?: number;
    readonly flags?: number;
  };
}

export interface MadeZip {
  readonly prefix?: Buffer;
  readonly suffix?: Buffer;
  readonly comment?: Buffer;
  /** What the end says instead. */
  readonly end?: { readonly entries?: number; readonly offset?: number; readonly sizeBytes?: number; readonly disk?: number };
  /** The directory names the first entry this often. */
  readonly repeatFirst?: number;
}

/** Writes a zip, and lies in it where it is told to. */
export function makeZip(entries: readonly MadeEntry[], { prefix, suffix, comment, end = {}, repeatFirst = 0 }: MadeZip = {}): Buffer {
  const parts: Buffer[] = prefix === undefined ? [] : [prefix];
  let offset = prefix?.length ?? 0;
  const directory: Buffer[] = [];
  for (const [index, entry] of entries.entries()) {
    const made = local(entry);
    parts.push(made);
    const record = central(entry, offset);
    directory.push(record);
    if (index === 0) for (let copy = 0; copy < repeatFirst; copy += 1) directory.push(central({ ...entry, name: `copy-${copy}` }, offset));
    offset += made.length;
  }
  const records = Buffer.concat(directory);
  const last = Buffer.alloc(22);
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(end.disk ?? 0, 4);
  last.writeUInt16LE(end.entries ?? directory.length, 8);
  last.writeUInt16LE(end.entries ?? directory.length, 10);
  last.writeUInt32LE(end.sizeBytes ?? records.length, 12);
  last.writeUInt32LE(end.offset ?? offset, 16);
  last.writeUInt16LE(comment?.length ?? 0, 20);
  return Buffer.concat([...parts, records, last, comment ?? Buffer.alloc(0), suffix ?? Buffer.alloc(0)]);
}

interface Facts {
  readonly name: Buffer;
  readonly content: Buffer;
  readonly method: number;
  readonly crc: number;
  readonly sizeBytes: number;
}

function factsOf({ name, data = '', packed, method = 8, crc, sizeBytes }: MadeEntry): Facts {
  const bytes = Buffer.from(data);
  return {
    name: Buffer.from(name),
    content: packed ?? (method === 8 ? deflateRawSync(bytes) : bytes),
    method,
    crc: crc ?? crc32(bytes),
    sizeBytes: sizeBytes ?? bytes.length,
  };
}

function local(entry: MadeEntry): Buffer {
  const facts = factsOf(entry);
  const lies = entry.local ?? {};
  const name = lies.name === undefined ? facts.name : Buffer.from(lies.name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(lies.flags ?? entry.flags ?? 0, 6);
  header.writeUInt16LE(lies.method ?? facts.method, 8);
  header.writeUInt32LE(lies.crc ?? facts.crc, 14);
  header.writeUInt32LE(facts.content.length, 18);
  header.writeUInt32LE(lies.sizeBytes ?? facts.sizeBytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name, facts.content]);
}

function central(entry: MadeEntry, offset: number): Buffer {
  const { name, content, method, crc, sizeBytes } = factsOf(entry);
  const extra = entry.extra ?? Buffer.alloc(0);
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE((3 << 8) | 20, 4);
  record.writeUInt16LE(20, 6);
  record.writeUInt16LE(entry.flags ?? 0, 8);
  record.writeUInt16LE(method, 10);
  record.writeUInt32LE(crc, 16);
  record.writeUInt32LE(content.length, 20);
  record.writeUInt32LE(sizeBytes, 24);
  record.writeUInt16LE(name.length, 28);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt32LE(((entry.unixMode ?? 0o100644) << 16) >>> 0, 38);
  record.writeUInt32LE(offset, 42);
  return Buffer.concat([record, name, extra]);
}
