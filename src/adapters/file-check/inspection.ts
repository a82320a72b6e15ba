import type { CheckReasonCode } from '../../contracts/files/reasons.ts';
import type { ArchiveSort } from './archive-sort.ts';
import type { ByteSource } from './source.ts';

const MEBIBYTE_BYTES = 1024 * 1024;
const MAX_FINDINGS = 20;

/** What a file may cost to look into, and what it may hold. */
export interface CheckLimits {
  /** In all archives of the file together. */
  readonly maxEntries: number;
  readonly maxInflatedBytes: number;
  /** Unpacked to packed, per entry and in all, once more than `ratioFromBytes` are unpacked. Not of a single text that is packed. */
  readonly maxRatio: number;
  readonly ratioFromBytes: number;
  /** Archives in archives: 1 is an archive that holds none. */
  readonly maxDepth: number;
  /** An archive in an archive is unpacked into memory, up to this size. */
  readonly maxNestedBytes: number;
  /** How far text is read through; the rest of larger files is for those who work with it, who have limits of their own. */
  readonly maxScannedBytes: number;
  /** So much of a text is read through however long it takes, and more only within `maxTextMs`: how fast the machine is, is no verdict. */
  readonly minScannedBytes: number;
  readonly maxTextMs: number;
  readonly maxRecordBytes: number;
  readonly maxJsonDepth: number;
  readonly maxPixels: number;
}

export const CHECK_LIMITS: CheckLimits = {
  maxEntries: 10_000,
  maxInflatedBytes: 1024 * MEBIBYTE_BYTES,
  maxRatio: 100,
  ratioFromBytes: MEBIBYTE_BYTES,
  maxDepth: 3,
  maxNestedBytes: 32 * MEBIBYTE_BYTES,
  maxScannedBytes: 256 * MEBIBYTE_BYTES,
  minScannedBytes: 16 * MEBIBYTE_BYTES,
  maxTextMs: 3_000,
  maxRecordBytes: 2 * MEBIBYTE_BYTES,
  maxJsonDepth: 100,
  maxPixels: 268_435_456,
};

export interface Finding {
  readonly code: CheckReasonCode;
  /** Where in the file, or what was found. Never the name of the file itself. */
  readonly detail?: string;
}

/** Enough is known: the file is refused, and looking further would cost too much. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** Looks into an archive that was found in another one. */
export type LookInto = (found: { readonly source: ByteSource; readonly sort: ArchiveSort; readonly depth: number }) => Promise<void>;

export interface Inflated {
  readonly more: number;
  readonly unpacked: number;
  readonly packed: number;
  /** Rows that are alike pack as well as any bomb. */
  readonly isTable?: boolean;
}

/** One look at one file: what was found so far, and what may still be spent. Shared by all archives inside of it. */
export class Inspection {
  readonly limits: CheckLimits;
  readonly #findings = new Map<CheckReasonCode, Finding>();
  #entries = 0;
  #inflatedBytes = 0;

  constructor(limits: CheckLimits) {
    this.limits = limits;
  }

  /** Set by whoever begins the look, since archives hold entries that are archives. */
  lookInto: LookInto = () => Promise.resolve();

  get findings(): readonly Finding[] {
    return [...this.#findings.values()];
  }

  /** The first of each code is kept. */
  add(code: CheckReasonCode, detail?: string): void {
    if (this.#findings.has(code) || this.#findings.size >= MAX_FINDINGS) return;
    this.#findings.set(code, detail === undefined ? { code } : { code, detail });
  }

  refuse(code: CheckReasonCode, detail?: string): never {
    this.add(code, detail);
    throw new Refusal(code);
  }

  countEntry(): void {
    this.#entries += 1;
    if (this.#entries > this.limits.maxEntries) this.refuse('archive_too_many_entries', `more than ${this.limits.maxEntries}`);
  }

  /** `packed` and `unpacked` are of the entry so far, `more` of them are new. */
  countInflated({ more, unpacked, packed, isTable = false }: Inflated): void {
    const { maxInflatedBytes, maxRatio, ratioFromBytes } = this.limits;
    this.#inflatedBytes += more;
    if (this.#inflatedBytes > maxInflatedBytes) this.refuse('archive_bomb', `more than ${maxInflatedBytes} bytes unpacked`);
    if (!isTable && unpacked > ratioFromBytes && unpacked > packed * maxRatio) this.refuse('archive_bomb', `more than ${maxRatio}:1`);
  }
}
