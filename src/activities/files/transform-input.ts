import type { FileBytes } from '../../adapters/file-bytes.ts';
import type { OpenInput, Tables } from '../../adapters/tables.ts';
import { fileGone } from './core.ts';

const HEAD_BYTES = 4;
/** What stands for bytes that are nothing in their encoding. */
const REPLACEMENT = '\ufffd';
/** Nothing in UTF-8 either, so that the record is rejected as such bytes in UTF-8 are. */
const INVALID = Buffer.from([0xff]);
const MARKS = [
  { encoding: 'utf-8', bytes: Buffer.from([0xef, 0xbb, 0xbf]) },
  { encoding: 'utf-16le', bytes: Buffer.from([0xff, 0xfe]) },
  { encoding: 'utf-16be', bytes: Buffer.from([0xfe, 0xff]) },
] as const;

export interface TransformInput {
  readonly open: OpenInput;
  readonly sizeBytes: number;
  /** Bytes of the object that were read so far by the last one that was opened. */
  readBytes(): number;
}

interface Reading {
  readonly encoding: string | undefined;
  /** Ends the reading, also of what is passed over. */
  readonly signal: AbortSignal;
}

/**
 * The content of a file from any byte of its text on: unpacked, in UTF-8, without a byte order mark. Where the text is not what is stored,
 * what comes before is read again and passed over.
 */
export async function openInput(
  { tables }: { readonly tables: Pick<Tables, 'unpack'> },
  file: FileBytes,
  { encoding: wanted, signal }: Reading,
): Promise<TransformInput> {
  const found = await file.stat();
  if (found === undefined) throw fileGone();
  const { sizeBytes } = found;
  let readBytes = 0;

  async function* stored(firstByte: number): AsyncGenerator<Uint8Array> {
    readBytes = firstByte;
    if (firstByte >= sizeBytes) return;
    const opened = await file.read({ firstByte });
    if (opened === undefined) throw fileGone();
    try {
      for await (const piece of opened.body) {
        signal.throwIfAborted();
        const bytes = piece as Uint8Array;
        readBytes += bytes.length;
        yield bytes;
      }
    } finally {
      opened.body.destroy();
    }
  }

  const packing = packingOf(await headOf(stored(0)));
  const unpackedFrom = (firstByte: number): AsyncIterable<Uint8Array> =>
    packing === 'none' ? stored(firstByte) : from(tables.unpack(stored(0), packing), firstByte);
  const head = packing === 'none' ? await headOf(stored(0)) : await headOf(unpackedFrom(0));
  const mark = MARKS.find(({ bytes }) => head.subarray(0, bytes.length).equals(bytes));
  const encoding = mark?.encoding ?? wanted ?? 'utf-8';
  const skip = mark?.bytes.length ?? 0;
  const open: OpenInput = (firstByte) =>
    encoding === 'utf-8' ? unpackedFrom(skip + firstByte) : from(decoded(unpackedFrom(skip), encoding), firstByte);
  return { open, sizeBytes, readBytes: () => readBytes };
}

async function headOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of content) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= HEAD_BYTES) break;
  }
  return Buffer.concat(pieces).subarray(0, HEAD_BYTES);
}

function packingOf(head: Buffer): 'none' | 'gzip' | 'zstd' {
  if (head.subarray(0, 3).equals(Buffer.from([0x1f, 0x8b, 0x08]))) return 'gzip';
  return head.equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])) ? 'zstd' : 'none';
}

async function* decoded(content: AsyncIterable<Uint8Array>, encoding: string): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding);
  for await (const piece of content) yield encoded(decoder.decode(piece, { stream: true }));
  yield encoded(decoder.decode());
}

function encoded(text: string): Buffer {
  if (!text.includes(REPLACEMENT)) return Buffer.from(text);
  return Buffer.concat(
    text.split(REPLACEMENT).flatMap((part, index) => (index === 0 ? [Buffer.from(part)] : [INVALID, Buffer.from(part)])),
  );
}

async function* from(content: AsyncIterable<Uint8Array>, firstByte: number): AsyncGenerator<Uint8Array> {
  let left = firstByte;
  for await (const piece of content) {
    if (left >= piece.length) left -= piece.length;
    else {
      yield left === 0 ? piece : piece.subarray(left);
      left = 0;
    }
  }
}
