const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** What a quoted field may follow, where the delimiter isn't known: comma, semicolon, tab, bar, colon. */
const USUAL_DELIMITERS: readonly number[] = [0x2c, 0x3b, 0x09, 0x7c, 0x3a];

export interface RecordScannerOptions {
  /** Undefined: no quotes, and every LF ends a record. */
  readonly quote?: number | undefined;
  readonly delimiters?: readonly number[];
}

/**
 * Follows a table byte by byte and knows where its records end: with a line that does not end in quotes. Lines end with LF, CR LF or CR. A
 * quote opens a field only at its beginning; elsewhere it is text like any other. Keeps its place between pieces.
 */
export class RecordScanner {
  /** Bytes taken so far, in all pieces. */
  offset = 0;
  /** Ends of lines taken so far, in quotes or not. */
  lines = 0;
  /** Offset just after the end of the last whole record. */
  recordEnd = 0;
  /** Ends of lines up to there. */
  recordLines = 0;
  #isQuoted = false;
  /** A quote in quotes may be its end, or the first half of a quote that is text. */
  #isQuoteSeen = false;
  #isFieldStart = true;
  /** It may be half of CR LF. */
  #isReturnSeen = false;
  readonly #opens: Uint8Array;
  readonly #quote: number;

  constructor({ quote, delimiters = USUAL_DELIMITERS }: RecordScannerOptions = { quote: QUOTE }) {
    this.#quote = quote ?? -1;
    this.#opens = new Uint8Array(256);
    for (const byte of delimiters) this.#opens[byte] = 1;
  }

  /** Whether the next byte is in quotes, unless it is a quote itself. */
  get isQuoted(): boolean {
    return this.#isQuoted && !this.#isQuoteSeen;
  }

  take(piece: Uint8Array): void {
    const start = this.offset;
    const opens = this.#opens;
    const quote = this.#quote;
    const hasReturns = quote !== -1;
    const length = piece.length;
    if (this.#isReturnSeen && length > 0) this.#endReturn(piece[0] === NEWLINE, start);
    let lines = this.lines;
    let isFieldStart = this.#isFieldStart;
    let at = 0;
    while (at < length) {
      if (this.#isQuoted) {
        this.lines = lines;
        at = this.#passQuoted(piece, at);
        lines = this.lines;
        isFieldStart = false;
        continue;
      }
      const byte = piece[at] ?? 0;
      at += 1;
      if (byte === NEWLINE || (byte === RETURN && hasReturns && at < length && piece[at] !== NEWLINE)) {
        lines += 1;
        this.recordEnd = start + at;
        this.recordLines = lines;
        isFieldStart = true;
      } else if (byte === quote && isFieldStart) {
        this.#isQuoted = true;
        this.#isQuoteSeen = false;
      } else if (byte === RETURN && hasReturns && at === length) this.#isReturnSeen = true;
      else isFieldStart = opens[byte] === 1;
    }
    this.lines = lines;
    this.#isFieldStart = isFieldStart;
    this.offset = start + length;
  }

  /** For those who know that no LF follows. */
  endLine(): void {
    if (this.#isReturnSeen) this.#endReturn(false, this.offset);
  }

  #endReturn(isHalf: boolean, offset: number): void {
    this.#isReturnSeen = false;
    if (isHalf) return;
    this.lines += 1;
    this.recordEnd = offset;
    this.recordLines = this.lines;
    this.#isFieldStart = true;
  }

  /** Goes on in quotes, and to the byte after them. */
  #passQuoted(piece: Uint8Array, from: number): number {
    const quote = this.#quote;
    let at = from;
    if (this.#isQuoteSeen) {
      this.#isQuoteSeen = false;
      if (piece[at] !== quote) {
        this.#isQuoted = false;
        return at;
      }
      at += 1;
    }
    let lines = this.lines;
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
