const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const NONE = -1;
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
  /** The byte before the next; a field begins at the beginning. */
  #last = NEWLINE;
  /** It may be half of CR LF. */
  #isReturnSeen = false;
  readonly #opens: Uint8Array;
  readonly #quote: number;

  constructor({ quote, delimiters = USUAL_DELIMITERS }: RecordScannerOptions = { quote: QUOTE }) {
    this.#quote = quote ?? NONE;
    this.#opens = new Uint8Array(256);
    for (const byte of [...delimiters, NEWLINE, RETURN]) this.#opens[byte] = 1;
  }

  /** Whether the next byte is in quotes, unless it is a quote itself. */
  get isQuoted(): boolean {
    return this.#isQuoted && !this.#isQuoteSeen;
  }

  take(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const length = bytes.length;
    if (this.#isReturnSeen && length > 0) this.#endReturn(bytes[0] === NEWLINE, this.offset);
    const quotes = new Finder(bytes, this.#quote);
    const newlines = new Finder(bytes, NEWLINE);
    const returns = new Finder(bytes, this.#quote === NONE ? NONE : RETURN);
    for (let at = 0; at < length;) {
      if (this.#isQuoted && this.#isQuoteSeen) {
        this.#isQuoteSeen = false;
        this.#isQuoted = bytes[at] === this.#quote;
        if (this.#isQuoted) at += 1;
        continue;
      }
      const quote = Math.min(quotes.next(at), length);
      if (this.#isQuoted) {
        for (let line = newlines.next(at); line < quote; line = newlines.next(line + 1)) this.lines += 1;
        this.#isQuoteSeen = quote < length;
      } else {
        this.#endRecords({ newlines, returns }, at, quote);
        const before = quote === 0 ? this.#last : (bytes[quote - 1] ?? 0);
        if (quote < length) this.#isQuoted = this.#opens[before] === 1;
      }
      at = quote + 1;
    }
    if (length > 0) this.#last = bytes[length - 1] ?? 0;
    this.offset += length;
  }

  /** Counts the ends of lines from one place to another, none of them in quotes; the last one ends a record. */
  #endRecords({ newlines, returns }: { readonly newlines: Finder; readonly returns: Finder }, from: number, end: number): void {
    let last = NONE;
    for (let at = newlines.next(from); at < end; at = newlines.next(at + 1)) {
      this.lines += 1;
      last = at + 1;
    }
    for (let at = returns.next(from); at < end; at = returns.next(at + 1)) {
      if (at + 1 === returns.bytes.length) this.#isReturnSeen = true;
      else if (returns.bytes[at + 1] !== NEWLINE) {
        this.lines += 1;
        last = Math.max(last, at + 1);
      }
    }
    if (last === NONE) return;
    this.recordEnd = this.offset + last;
    this.recordLines = this.lines;
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
  }
}

/** Looks for one byte, from the beginning to the end: by searches of the runtime, which are many times faster than a loop, and each but once. */
class Finder {
  readonly bytes: Buffer;
  readonly #byte: number;
  #found = NONE;

  constructor(bytes: Buffer, byte: number) {
    this.bytes = bytes;
    this.#byte = byte;
    if (byte === NONE) this.#found = Infinity;
  }

  /** Where it is next, at `from` or after it; infinity when nowhere. */
  next(from: number): number {
    if (this.#found >= from) return this.#found;
    const found = this.bytes.indexOf(this.#byte, from);
    this.#found = found === NONE ? Infinity : found;
    return this.#found;
  }
}
