import { giveBack } from '../give-back.ts';
import { RecordScanner } from '../record-scanner.ts';
import type { CutChunk, CutRequest, KnownPlace, OpenInput, Reject } from '../tables.ts';
import { type SliceLimits, sliceLimits, SliceWriter } from './slices.ts';

/** A longer record is not in the output. */
export const MAX_RECORD_BYTES = 2 * 1024 * 1024;
/** A record that does not end within this much is taken for one whose quote was never closed. */
const MAX_SEARCH_BYTES = 64 * 1024 * 1024;
/** How far apart are places whose lines are remembered, unless records are longer. */
const PLACE_EVERY_BYTES = 32 * 1024;
const TEXT_BYTES = 200;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts at ends of records only, however long quoted fields are, in as much memory as the longest record takes. */
export async function* cutChunks(request: CutRequest, path: string): AsyncGenerator<CutChunk, void> {
  let place: KnownPlace = { byte: request.firstByte, line: request.firstLine };
  const cutter = new Cutter(request, place);
  try {
    for (;;) {
      const chunk = await cutter.next(path);
      yield chunk;
      place = { byte: chunk.endByte, line: chunk.endLine };
      if (chunk.isLast) return;
    }
  } finally {
    await cutter.close();
  }
}

/** Where the input stands, with what was read of it and belongs to the next chunk. */
class Cutter {
  readonly #request: CutRequest;
  readonly #limits: SliceLimits;
  #input: AsyncIterator<Uint8Array>;
  #scanner: RecordScanner;
  /** Where the scanner began. */
  #start: KnownPlace;
  /** Of the input. */
  #places: KnownPlace[] = [];
  /** What was read last. */
  #piece: Uint8Array | undefined;
  /** Bytes since the end of the last whole record that is in a chunk, some of them in the piece that was read last. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Read, but not yet taken. */
  #unread: Buffer | undefined;
  #isOver = false;

  constructor(request: CutRequest, start: KnownPlace) {
    this.#request = request;
    this.#limits = sliceLimits(request.plan);
    this.#start = start;
    this.#input = inputAt(request.open, start.byte);
    this.#scanner = scannerOf(request);
  }

  async next(path: string): Promise<CutChunk> {
    const first = this.#recordEnd();
    const rejects: Reject[] = [];
    await using writer = new SliceWriter(path, this.#limits, first);
    const add = (pieces: readonly Buffer[]): Promise<void> => writer.add(pieces, this.#recordEnd(), this.#takePlaces());
    await add(this.#takeWhole());
    while (writer.bytes < this.#request.chunkBytes && !writer.isFull) {
      if (this.#pendingBytes > MAX_RECORD_BYTES) {
        // A chunk has no holes, so that a place in it tells a place in the input.
        if (writer.bytes > 0) break;
        rejects.push(await this.#skipRecord());
        break;
      }
      // What the next piece would take the place of.
      if (this.#unread === undefined || this.#unread.length === 0) await writer.flush();
      if (!(await this.#read(this.#limits.stepBytes(writer)))) {
        const rest = this.#pending;
        this.#endAll();
        await add(rest);
        break;
      }
      await add(this.#takeWhole());
    }
    const end = this.#recordEnd();
    await writer.end(end);
    return {
      slices: writer.slices,
      firstByte: first.byte,
      endByte: end.byte,
      firstLine: first.line,
      endLine: end.line,
      isLast: this.#isOver && this.#pendingBytes === 0,
      rejects,
    };
  }

  async close(): Promise<void> {
    await this.#input.return?.();
  }

  #takePlaces(): readonly KnownPlace[] {
    const places = this.#places;
    this.#places = [];
    return places;
  }

  #recordEnd(): KnownPlace {
    return { byte: this.#start.byte + this.#scanner.recordEnd, line: this.#start.line + this.#scanner.recordLines };
  }

  /** False at the end of the input. */
  async #read(stepBytes: number): Promise<boolean> {
    const piece = await this.#nextPiece();
    if (piece === undefined) return false;
    // No more than a chunk or a slice takes, since the scanner tells but the last end of a record.
    const taken = piece.subarray(0, Math.max(1, Math.min(this.#request.chunkBytes, stepBytes)));
    this.#unread = piece.subarray(taken.length);
    this.#take(taken);
    return true;
  }

  async #nextPiece(): Promise<Buffer | undefined> {
    const unread = this.#unread;
    this.#unread = undefined;
    if (unread !== undefined && unread.length > 0) return unread;
    this.#dropPiece();
    const { value, done } = await this.#input.next();
    if (done !== true) {
      this.#piece = value;
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    this.#isOver = true;
    return undefined;
  }

  /** Keeps what is still pending of it. */
  #dropPiece(): void {
    const piece = this.#piece;
    if (piece === undefined) return;
    this.#pending = this.#pending.map((bytes) => (bytes.buffer === piece.buffer ? Buffer.from(bytes) : bytes));
    this.#piece = undefined;
    giveBack(piece);
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += PLACE_EVERY_BYTES) {
      const before = this.#scanner.recordEnd;
      this.#scanner.take(bytes.subarray(at, at + PLACE_EVERY_BYTES));
      if (this.#scanner.recordEnd !== before) this.#places.push(this.#recordEnd());
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  /** What is pending of whole records. */
  #takeWhole(): readonly Buffer[] {
    const keep = this.#scanner.offset - this.#scanner.recordEnd;
    let whole = this.#pendingBytes - keep;
    if (whole <= 0) return [];
    const taken: Buffer[] = [];
    const rest: Buffer[] = [];
    for (const piece of this.#pending) {
      const part = piece.subarray(0, Math.max(0, whole));
      if (part.length > 0) taken.push(part);
      if (part.length < piece.length) rest.push(piece.subarray(part.length));
      whole -= part.length;
    }
    this.#pending = rest;
    this.#pendingBytes = keep;
    return taken;
  }

  /** The last record may have no end of a line. */
  #endAll(): void {
    const { offset, lines } = this.#scanner;
    this.#scanner.recordEnd = offset;
    this.#scanner.recordLines = lines;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Goes on after the record that is too long, or, when it seems never to end, after its first line. */
  async #skipRecord(): Promise<Reject> {
    const from = this.#recordEnd();
    const head = Buffer.concat(this.#pending);
    const reject: Reject = {
      line: from.line,
      code: 'record_too_long',
      message: `The record is longer than ${MAX_RECORD_BYTES} bytes, or a quote in it is never closed.`,
      text: head.toString('utf8', 0, TEXT_BYTES),
    };
    this.#pending = [];
    this.#pendingBytes = 0;
    if (!(await this.#findEnd(head.length))) await this.#restartAfterLine(from, head);
    return reject;
  }

  /** Goes on to the end of the record and no further. False: it has none, as far as anybody looks. */
  async #findEnd(searchedBytes: number): Promise<boolean> {
    const begin = this.#scanner.recordEnd;
    for (let searched = searchedBytes; searched <= MAX_SEARCH_BYTES;) {
      const piece = await this.#nextPiece();
      if (piece === undefined) return false;
      searched += piece.length;
      for (let at = 0; at < piece.length;) {
        const end = endOfLine(piece, at);
        this.#scanner.take(piece.subarray(at, end));
        at = end;
        if (this.#scanner.recordEnd === begin) continue;
        const rest = this.#scanner.offset - this.#scanner.recordEnd;
        this.#pending = [piece.subarray(at - rest, at)];
        this.#pendingBytes = rest;
        this.#unread = piece.subarray(at);
        return true;
      }
    }
    return false;
  }

  async #restartAfterLine(from: KnownPlace, head: Buffer): Promise<void> {
    await this.close();
    const end = head.indexOf(NEWLINE);
    this.#start = end === -1 ? await afterLine(this.#request.open, from) : { byte: from.byte + end + 1, line: from.line + 1 };
    this.#scanner = scannerOf(this.#request);
    this.#input = inputAt(this.#request.open, this.#start.byte);
    this.#isOver = false;
    this.#unread = undefined;
  }
}

/** After the next LF, or the byte after the next CR: whether that ends a line, only what follows tells. */
function endOfLine(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at += 1) {
    if (bytes[at] === NEWLINE) return at + 1;
    if (bytes[at] === RETURN) return Math.min(bytes.length, at + 2);
  }
  return bytes.length;
}

async function afterLine(openInput: OpenInput, from: KnownPlace): Promise<KnownPlace> {
  let byte = from.byte;
  for await (const piece of openInput(from.byte)) {
    const end = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).indexOf(NEWLINE);
    if (end !== -1) return { byte: byte + end + 1, line: from.line + 1 };
    byte += piece.length;
  }
  return { byte, line: from.line + 1 };
}

function inputAt(openInput: OpenInput, byte: number): AsyncIterator<Uint8Array> {
  return openInput(byte)[Symbol.asyncIterator]();
}

function scannerOf({ plan: { dialect } }: CutRequest): RecordScanner {
  if (dialect.format === 'jsonl') return new RecordScanner({ hasQuotes: false });
  return new RecordScanner({ delimiters: [dialect.delimiter.charCodeAt(0)] });
}
