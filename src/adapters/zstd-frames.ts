import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const FRAME = 0xfd2fb528;
/** The last four bits of the magic are free. */
const SKIPPABLE = 0x184d2a50;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;
const SIZE_BYTES = [0, 2, 4, 8] as const;
const REPEATED_BYTE = 1;
const CHECKSUM_BYTES = 4;

/**
 * Unpacks all frames of a zstd stream. Node's own decoder forgets what follows a frame in the same piece, so pieces are cut where frames end.
 */
export function unzstd(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = Readable.from(cutAtFrames(packed));
  const unpacker = createZstdDecompress();
  source.on('error', (error) => unpacker.destroy(error));
  unpacker.on('close', () => source.destroy());
  return source.pipe(unpacker);
}

async function* cutAtFrames(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const finder = new FrameEnds();
  for await (const piece of packed) {
    let from = 0;
    for (const end of finder.take(piece)) {
      yield piece.subarray(from, end);
      from = end;
    }
    if (from < piece.length) yield piece.subarray(from);
  }
}

type Step = 'magic' | 'skippable' | 'descriptor' | 'block';

/** Follows the structure of frames, without unpacking anything. What is no frame is left to the decoder to refuse. */
class FrameEnds {
  #step: Step = 'magic';
  #collected = 0;
  #value = 0;
  #skip = 0;
  #isEndAfterSkip = false;
  #hasChecksum = false;
  #isLost = false;

  /** Offsets in the piece at which a frame has ended. */
  *take(piece: Uint8Array): Generator<number> {
    let at = 0;
    while (at < piece.length && !this.#isLost) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, piece.length - at);
        this.#skip -= passed;
        at += passed;
      } else {
        this.#collect(piece[at] ?? 0);
        at += 1;
      }
      if (this.#skip > 0 || !this.#isEndAfterSkip) continue;
      this.#isEndAfterSkip = false;
      this.#next('magic');
      yield at;
    }
  }

  #collect(byte: number): void {
    this.#value += byte * 2 ** (8 * this.#collected);
    this.#collected += 1;
    const needed = { magic: 4, skippable: 4, descriptor: 1, block: 3 }[this.#step];
    if (this.#collected < needed) return;
    const value = this.#value;
    this.#collected = 0;
    this.#value = 0;
    switch (this.#step) {
      case 'magic':
        if (value === FRAME) this.#next('descriptor');
        else if (value - (value % 16) === SKIPPABLE) this.#next('skippable');
        else this.#isLost = true;
        return;
      case 'skippable':
        this.#skip = value;
        this.#isEndAfterSkip = true;
        return;
      case 'descriptor':
        this.#begin(value);
        return;
      case 'block':
        this.#block(value);
    }
  }

  #begin(descriptor: number): void {
    const isSingle = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const sizeBytes = sizeFlag === 0 && isSingle ? 1 : (SIZE_BYTES[sizeFlag] ?? 0);
    this.#skip = (isSingle ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 0x03] ?? 0) + sizeBytes;
    this.#next('block');
  }

  #block(header: number): void {
    const isLast = (header & 1) !== 0;
    this.#skip = ((header >> 1) & 3) === REPEATED_BYTE ? 1 : header >> 3;
    if (!isLast) return;
    this.#skip += this.#hasChecksum ? CHECKSUM_BYTES : 0;
    this.#isEndAfterSkip = true;
  }

  #next(step: Step): void {
    this.#step = step;
  }
}
