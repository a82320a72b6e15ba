import { type FileHandle, open } from 'node:fs/promises';
import { RecordScanner, type RecordScannerOptions } from '../record-scanner.ts';
import type { KnownPlace } from '../tables.ts';

const PIECE_BYTES = 32 * 1024;

/** Tells the lines of places in a file, asked for from its beginning to its end; reads from the last known place on. */
export class LineCounter implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #options: RecordScannerOptions;
  /** Those that are still ahead, in order. */
  readonly #places: Iterator<KnownPlace>;
  #nextPlace: KnownPlace | undefined;
  /** Where the scanner began. */
  #start: KnownPlace;
  #scanner: RecordScanner;
  readonly #memory = Buffer.allocUnsafeSlow(PIECE_BYTES);
  /** What was read last. */
  #piece: Buffer = this.#memory.subarray(0, 0);
  /** Offset of the piece in the file. */
  #from = 0;

  private constructor(file: FileHandle, options: RecordScannerOptions, { first, places }: Known) {
    this.#file = file;
    this.#options = options;
    this.#places = places[Symbol.iterator]();
    this.#start = first;
    this.#scanner = new RecordScanner(options);
    this.#nextPlace = this.#takePlace();
  }

  static async open(path: string, options: RecordScannerOptions, known: Known): Promise<LineCounter> {
    return new LineCounter(await open(path, 'r'), options, known);
  }

  /** Line of the record that begins at `offset`, or after blank lines there. */
  async lineAt(offset: number): Promise<number> {
    this.#jumpTo(offset);
    while (this.#offset < offset && (await this.#fill())) this.#take(Math.min(offset, this.#from + this.#piece.length));
    while (await this.#fill()) {
      const byte = this.#piece[this.#offset - this.#from];
      if (byte !== 0x0a && byte !== 0x0d) break;
      this.#take(this.#offset + 1);
    }
    this.#scanner.endLine();
    return this.#start.line + this.#scanner.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  get #offset(): number {
    return this.#start.byte + this.#scanner.offset;
  }

  /** Goes on at the last known place that is not behind the offset. */
  #jumpTo(offset: number): void {
    let place: KnownPlace | undefined;
    for (; this.#nextPlace !== undefined && this.#nextPlace.byte <= offset; this.#nextPlace = this.#takePlace()) place = this.#nextPlace;
    if (place === undefined || place.byte <= this.#offset) return;
    this.#start = place;
    this.#scanner = new RecordScanner(this.#options);
    this.#piece = this.#memory.subarray(0, 0);
    this.#from = place.byte;
  }

  #takePlace(): KnownPlace | undefined {
    const { value, done } = this.#places.next();
    return done === true ? undefined : value;
  }

  /** Makes sure that there is a byte to take; false at the end. */
  async #fill(): Promise<boolean> {
    if (this.#offset < this.#from + this.#piece.length) return true;
    this.#from = this.#offset;
    const { bytesRead } = await this.#file.read(this.#memory, 0, PIECE_BYTES, this.#from);
    this.#piece = this.#memory.subarray(0, bytesRead);
    return bytesRead > 0;
  }

  #take(end: number): void {
    this.#scanner.take(this.#piece.subarray(this.#offset - this.#from, end - this.#from));
  }
}

interface Known {
  /** Where the file begins. */
  readonly first: KnownPlace;
  /** More places in it, in order. */
  readonly places: readonly KnownPlace[];
}
