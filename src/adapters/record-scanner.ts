const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** What a quoted field may follow, where the delimiter isn't known: comma, semicolon, tab, bar, colon. */
export const USUAL_DELIMITERS: readonly number[] = [0x2c, 0x3b, 0x09, 0x7c, 0x3a];

export interface RecordScannerOptions {
  /** Undefined: no quotes, every newline ends a record. */
  readonly quote?: number | undefined;
  readonly delimiters?: readonly number[];
}

/**
 * Follows a table byte by byte and knows where its records end: at a newline that is not in quotes. A quote opens a field only at its
 * beginning; elsewhere it is text like any other. Keeps its place between pieces.
 */
export class RecordScanner {
  /** Bytes taken so far, in all pieces. */
  offset = 0;
  /** Newlines taken so far, in quotes or not. */
  lines = 0;
  /** Offset just after the newline that ended the last whole record. */
  recordEnd = 0;
  /** Newlines up to there. */
  recordLines = 0;
  #isQuoted = false;
  /** A quote in quotes may be its end, or the first half of a quote that is text. */
  #isQuoteSeen = false;
  #isFieldStart = true;
  readonly #opens: Uint8Array;
  readonly #quote: number;

  constructor({ quote, delimiters = USUAL_DELIMITERS }: RecordScannerOptions = { quote: QUOTE }) {
    this.#quote = quote ?? -1;
    this.#opens = new Uint8Array(256);
    for (const byte of [...delimiters, NEWLINE, RETURN]) this.#opens[byte] = 1;
  }

  /** Whether the scanner stands in a quoted field. */
  get isQuoted(): boolean {
    return this.#isQuoted && !this.#isQuoteSeen;
  }

  take(piece: Uint8Array): void {
    const start = this.offset;
    const opens = this.#opens;
    const quote = this.#quote;
    const length = piece.length;
    let lines = this.lines;
    let isFieldStart = this.#isFieldStart;
    let at = 0;
    while (at < length) {
      if (this.#isQuoted) {
        at = this.#passQuoted(piece, at);
        lines = this.lines;
        isFieldStart = false;
        continue;
      }
      const byte = piece[at] ?? 0;
      at += 1;
      if (byte === NEWLINE) {
        lines += 1;
        this.recordEnd = start + at;
        this.recordLines = lines;
        isFieldStart = true;
      } else if (byte === quote && isFieldStart) {
        this.#isQuoted = true;
        this.#isQuoteSeen = false;
        this.lines = lines;
      } else isFieldStart = opens[byte] === 1;
    }
    this.lines = lines;
    this.#isFieldStart = isFieldStart;
    this.offset = start + length;
  }

  /** Goes on in quotes, and to the byte after them. */
  #passQuoted(piece: Uint8Array, from: number): number {
    const quote = this.#quote;
    let at = from;
    let lines = this.lines;
    if (this.#isQuoteSeen) {
      this.#isQuoteSeen = false;
      if (piece[at] === quote) at += 1;
      else {
        this.#isQuoted = false;
        return at;
      }
    }
    for (; at < piece.length; at += 1) {
      const byte = piece[at];
      if (byte === NEWLINE) lines += 1;
      else if (byte === quote) {
        this.#isQuoteSeen = true;
        at += 1;
        break;
      }
    }
    this.lines = lines;
    return at;
  }
}
