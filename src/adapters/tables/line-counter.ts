import { type FileHandle, open } from 'node:fs/promises';
import { RecordScanner, type RecordScannerOptions } from '../record-scanner.ts';

const PIECE_BYTES = 256 * 1024;

/** Tells the lines of places in a file, asked for from its beginning to its end. */
export class LineCounter implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #scanner: RecordScanner;
  readonly #firstLine: number;
  #piece: Buffer = Buffer.alloc(0);
  /** Offset of the piece in the file. */
  #from = 0;

  private constructor(file: FileHandle, scanner: RecordScanner, firstLine: number) {
    this.#file = file;
    this.#scanner = scanner;
    this.#firstLine = firstLine;
  }

  static async open(path: string, options: RecordScannerOptions, firstLine: number): Promise<LineCounter> {
    return new LineCounter(await open(path, 'r'), new RecordScanner(options), firstLine);
  }

  /** Line of the record that begins at `offset`, or after blank lines there. */
  async lineAt(offset: number): Promise<number> {
    while (this.#scanner.offset < offset && (await this.#fill())) this.#take(Math.min(offset, this.#from + this.#piece.length));
    while (await this.#fill()) {
      const byte = this.#piece[this.#scanner.offset - this.#from];
      if (byte !== 0x0a && byte !== 0x0d) break;
      this.#take(this.#scanner.offset + 1);
    }
    this.#scanner.endLine();
    return this.#firstLine + this.#scanner.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  /** Makes sure that there is a byte to take; false at the end. */
  async #fill(): Promise<boolean> {
    if (this.#scanner.offset < this.#from + this.#piece.length) return true;
    this.#from = this.#scanner.offset;
    const bytes = Buffer.allocUnsafeSlow(PIECE_BYTES);
    const { bytesRead } = await this.#file.read(bytes, 0, PIECE_BYTES, this.#from);
    this.#piece = bytes.subarray(0, bytesRead);
    return bytesRead > 0;
  }

  #take(end: number): void {
    this.#scanner.take(this.#piece.subarray(this.#scanner.offset - this.#from, end - this.#from));
  }
}
