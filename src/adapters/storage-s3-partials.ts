import { Readable } from 'node:stream';
import { giveBack } from './give-back.ts';
import type { PartialRef, Partials, PartialWriter, Segment } from './partials.ts';
import type { Bucket } from './storage-s3-bucket.ts';
import type { StoredObject } from './storage.ts';

/** No object of a name of ours is here: names do not begin with a dot. */
const FOLDER = '.temporary/uploads';
const ID = /^[0-9a-f-]{36}$/;
/** Bytes that wait in memory; more are sent without being asked to. */
const PIECE_BYTES = 8 * 1024 * 1024;
const OFFSET_DIGITS = 16;
const AT_ONCE = 8;

/** Nothing can be appended to an object, so a segment is a row of objects, each named by where it begins in the whole. */
export function createS3Partials(bucket: Bucket): Partials {
  return {
    async open(id, segment) {
      return new PieceWriter(bucket, folderOf(id, segment));
    },
    read: (partial, range) => Readable.from(readSegments(bucket, partial, range), { objectMode: false }),
    // Pieces may be smaller than what S3 takes as parts of one object.
    publish: () => Promise.resolve(false),
    async discard(id) {
      await removeAll(bucket, `${folderOf(id)}/`, () => true);
    },
  };
}

function folderOf(id: string, segment?: Segment): string {
  if (!ID.test(id)) throw new Error('A partial has an id that is not one of ours.');
  return segment === undefined ? `${FOLDER}/${id}` : `${FOLDER}/${id}/${segment.epoch}`;
}

function beginningOf({ name }: StoredObject): number {
  return Number(name.slice(name.lastIndexOf('/') + 1));
}

class PieceWriter implements PartialWriter {
  readonly #bucket: Bucket;
  readonly #folder: string;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #beginsAt = 0;
  /** One after the other; one that failed fails all that follow. */
  #sending: Promise<void> | undefined;

  constructor(bucket: Bucket, folder: string) {
    this.#bucket = bucket;
    this.#folder = folder;
  }

  async write(bytes: readonly Uint8Array[], atByte: number): Promise<void> {
    // An earlier request may have left pieces that it never acknowledged: they would stand between ours.
    this.#sending ??= removeAll(this.#bucket, `${this.#folder}/`, (piece) => beginningOf(piece) >= atByte);
    if (this.#waitingBytes === 0) this.#beginsAt = atByte;
    const kept = Buffer.concat(bytes);
    for (const piece of bytes) giveBack(piece);
    this.#waiting.push(kept);
    this.#waitingBytes += kept.length;
    if (this.#waitingBytes >= PIECE_BYTES) await this.#send();
  }

  async flush(): Promise<void> {
    await this.#send();
  }

  async close(): Promise<void> {
    this.#waiting = [];
    this.#waitingBytes = 0;
    // Whoever waited for it has heard of its failure.
    await this.#sending?.catch(() => undefined);
  }

  #send(): Promise<void> {
    const before = this.#sending ?? Promise.resolve();
    if (this.#waitingBytes === 0) return before;
    const name = `${this.#folder}/${String(this.#beginsAt).padStart(OFFSET_DIGITS, '0')}`;
    const body = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#sending = before.then(() => this.#bucket.put(name, body));
    return this.#sending;
  }
}

async function* readSegments(
  bucket: Bucket,
  partial: PartialRef,
  range: { readonly firstByte: number; readonly endByte: number } = { firstByte: 0, endByte: partial.sizeBytes },
): AsyncGenerator<Uint8Array> {
  for (const [index, segment] of partial.segments.entries()) {
    const segmentEnd = partial.segments[index + 1]?.firstByte ?? partial.sizeBytes;
    const [start, end] = [Math.max(segment.firstByte, range.firstByte), Math.min(segmentEnd, range.endByte)];
    if (start >= end) continue;
    yield* readPieces(bucket, folderOf(partial.id, segment), { start, end });
  }
}

/** A piece that begins later was written later, and stands in the place of what an earlier one has there. */
async function* readPieces(
  bucket: Bucket,
  folder: string,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array> {
  const pieces = await bucket.all(`${folder}/`);
  let at = start;
  for (const [index, piece] of pieces.entries()) {
    const begin = beginningOf(piece);
    const next = pieces[index + 1];
    const pieceEnd = Math.min(begin + piece.sizeBytes, next === undefined ? Infinity : beginningOf(next), end);
    if (begin > at || pieceEnd <= at) continue;
    const found = await bucket.get(piece.name, { firstByte: at - begin, lastByte: pieceEnd - begin - 1 });
    if (found === undefined || found === 'out_of_range') break;
    yield* found.body as AsyncIterable<Uint8Array>;
    at = pieceEnd;
  }
  if (at < end) throw new Error('an upload lacks bytes that were acknowledged');
}

async function removeAll(bucket: Bucket, prefix: string, isDoomed: (object: StoredObject) => boolean): Promise<void> {
  const doomed = (await bucket.all(prefix)).filter(isDoomed);
  for (let from = 0; from < doomed.length; from += AT_ONCE)
    await Promise.all(doomed.slice(from, from + AT_ONCE).map(({ name }) => bucket.delete(name)));
}
