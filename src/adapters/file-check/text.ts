import type { Inspection } from './inspection.ts';

/** Encodings that a byte order mark tells. */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

export function encodingOf(head: Buffer): Encoding {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8';
}

/** Whether this is the beginning of a text, in whatever encoding of one byte, in UTF-8, or in UTF-16 with its mark. */
export function isText(head: Buffer): boolean {
  if (encodingOf(head) !== 'utf-8') return true;
  // What only binary files have: NUL and the controls but tab, line feed, form feed, return and escape.
  return !head.some((byte) => byte < 0x09 || byte === 0x0b || (byte > 0x0d && byte < 0x20 && byte !== 0x1b) || byte === 0x7f);
}

/** The head of a text as text. */
export function decoded(head: Buffer): string {
  return new TextDecoder(encodingOf(head)).decode(head);
}

/** Says when enough of a text was read. */
export class TextReading {
  readonly #limits: Inspection['limits'];
  readonly #endsAt: number;
  #bytes = 0;

  constructor({ limits }: Inspection) {
    this.#limits = limits;
    this.#endsAt = performance.now() + limits.maxTextMs;
  }

  /** True: the rest is for those who work with it, who have limits of their own. */
  isEnough(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes >= this.#limits.maxScannedBytes) return true;
    return this.#bytes >= this.#limits.minScannedBytes && performance.now() > this.#endsAt;
  }
}

/** Reads JSON through for its depth alone; a line that is no JSON is for those who parse it. */
export class JsonDepth {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  readonly #inspection: Inspection;

  constructor(inspection: Inspection) {
    this.#inspection = inspection;
  }

  take(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
      } else if (byte === QUOTE) this.#isInString = true;
      else if (OPENING.has(byte)) this.#depth += 1;
      else if (CLOSING.has(byte)) this.#depth -= 1;
      if (this.#depth > this.#inspection.limits.maxJsonDepth)
        this.#inspection.refuse('json_too_deep', `more than ${this.#inspection.limits.maxJsonDepth} deep`);
    }
  }
}
