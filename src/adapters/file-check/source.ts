import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';

const WINDOW_BYTES = 256 * 1024;

/** The bytes could not be read: a fault of the machine, which says nothing of the file. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}

/** Bytes of a file, or of what was unpacked of one. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Fewer bytes than asked for only at the end. */
  read(offset: number, length: number): Promise<Buffer>;
  /** From `offset` on, `length` bytes or to the end. */
  stream(offset?: number, length?: number): AsyncIterable<Uint8Array>;
}

export interface OpenedSource extends ByteSource, AsyncDisposable {}

/** Reads windows of a file, since many small reads of the same place are what archives need. */
export async function openSource(path: string): Promise<OpenedSource> {
  const file = await open(path, 'r').catch(broken);
  const { size: sizeBytes } = await file.stat().catch(broken);
  let window: { readonly offset: number; readonly bytes: Buffer } = { offset: 0, bytes: Buffer.alloc(0) };
  return {
    sizeBytes,
    async read(offset, length) {
      const wanted = Math.max(0, Math.min(length, sizeBytes - offset));
      if (wanted === 0) return Buffer.alloc(0);
      if (wanted > WINDOW_BYTES) return readFully(file, offset, wanted);
      const start = offset - window.offset;
      const isInside = start >= 0 && start + wanted <= window.bytes.length;
      if (isInside) return window.bytes.subarray(start, start + wanted);
      window = { offset, bytes: await readFully(file, offset, Math.min(WINDOW_BYTES, sizeBytes - offset)) };
      return window.bytes.subarray(0, wanted);
    },
    async *stream(offset = 0, length = sizeBytes - offset) {
      const end = Math.min(offset + length, sizeBytes);
      for (let at = offset; at < end; at += WINDOW_BYTES) yield await readFully(file, at, Math.min(WINDOW_BYTES, end - at));
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

export function bufferSource(bytes: Buffer): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    stream: (offset = 0, length = bytes.length) => Readable.from(slices(bytes.subarray(offset, offset + length))),
  };
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done).catch(broken);
    if (bytesRead === 0) throw new SourceError('The file is shorter than it was.');
    done += bytesRead;
  }
  return bytes;
}

function broken(cause: unknown): never {
  throw new SourceError('The file can not be read.', { cause });
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += WINDOW_BYTES) yield bytes.subarray(at, at + WINDOW_BYTES);
}
