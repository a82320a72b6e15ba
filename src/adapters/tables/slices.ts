import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ChunkSlice, KnownPlace, TablePlan } from '../tables.ts';
import { writeTogether } from '../write-all.ts';

const MEBIBYTE_BYTES = 1024 * 1024;
const SLICE_BYTES = MEBIBYTE_BYTES;
/** Of lines that are shorter than this, on an average, a chunk gets no more: something is kept for each fault, and a chunk had millions. */
const SHORT_LINE_BYTES = 24;
const MAX_SHORT_LINES = 400_000;
/** Of such lines more could be too much for a slice already; of others smaller steps are only more work. */
const SHORT_STEP_BYTES = 64 * 1024;
/** More of them in a chunk would only be there to hold faults. */
const MAX_SLICES = 256;
/** Of each column of each slice the engine keeps almost a kilobyte until it has read the chunk. */
const MAX_COLUMNS_OF_SLICES = 160_000;
/** As measured: of each fault the engine keeps so much, and the beginning of its record so many times. */
const FAULT_BYTES = 1_250;
const FAULT_TEXTS = 3;
const FAULT_TEXT_BYTES = 10_000;
/** What the faults of a slice may take where each record has some of them. */
const USUAL_FAULTS = 2;
const USUAL_BYTES = 48 * MEBIBYTE_BYTES;
/** The same where each field of each record is one. */
const WORST_BYTES = 80 * MEBIBYTE_BYTES;

interface Size {
  readonly bytes: number;
  readonly lines: number;
}

/** How much of a table may go in one slice. */
export interface SliceLimits {
  /** How much is taken at a time, by what the chunk has so far. */
  stepBytes(chunk: Size): number;
  /** Whether no more should come. */
  isFull(slice: Size): boolean;
  /** In a chunk, at most. */
  readonly slices: number;
}

const UNLIMITED: SliceLimits = { stepBytes: () => Number.POSITIVE_INFINITY, isFull: () => false, slices: MAX_SLICES };

/**
 * The engine keeps all faults of a file in memory until it has read it, as many as a record has fields, and counts them nowhere. So it gets a
 * delimited text in files of which even the worst, where nothing fits, takes but so much. Without columns nothing is reported.
 */
export function sliceLimits({ dialect, columns }: TablePlan): SliceLimits {
  if (dialect.format === 'jsonl' || columns.length === 0) return UNLIMITED;
  const fields = columns.length + 1;
  const worstOfByte = worstOfOneByte(columns.length);
  return {
    slices: Math.min(MAX_SLICES, Math.ceil(MAX_COLUMNS_OF_SLICES / columns.length)),
    stepBytes: (chunk) => {
      const most = Math.ceil(WORST_BYTES / worstOfByte);
      return areShort(chunk) ? Math.min(most, SHORT_STEP_BYTES) : most;
    },
    isFull: ({ bytes, lines }) => {
      const ofOneInEach = FAULT_BYTES * lines + FAULT_TEXTS * bytes;
      const worst = Math.min(fields * ofOneInEach, worstOfByte * bytes);
      return bytes >= SLICE_BYTES || USUAL_FAULTS * ofOneInEach >= USUAL_BYTES || worst >= WORST_BYTES;
    },
  };
}

function areShort({ bytes, lines }: Size): boolean {
  return bytes <= lines * SHORT_LINE_BYTES;
}

/** Of records that are as short as they get, just as long as their fields need, or as long as is kept: what their faults take for each byte. */
function worstOfOneByte(columns: number): number {
  const ofRecord = (bytes: number): number => (columns + 1) * (FAULT_BYTES + FAULT_TEXTS * Math.min(FAULT_TEXT_BYTES, bytes));
  // A wrong field has one byte and a delimiter at least.
  const shortest = 2 * columns;
  return Math.max(FAULT_BYTES, ofRecord(shortest) / shortest, ofRecord(FAULT_TEXT_BYTES) / FAULT_TEXT_BYTES);
}

/** Writes what is cut into the slices of one chunk. */
export class SliceWriter implements AsyncDisposable {
  readonly slices: ChunkSlice[] = [];
  /** Taken so far, in all slices. */
  bytes = 0;
  /** The same of lines. */
  lines = 0;
  readonly #path: string;
  readonly #limits: SliceLimits;
  /** Where the slice begins that is written now. */
  #first: KnownPlace;
  #places: KnownPlace[] = [];
  #file: FileHandle | undefined;
  #written = 0;
  /** In the slices that have ended. */
  #linesBefore = 0;
  /** Of the slice, written or not. */
  #taken = 0;
  #waiting: Buffer[] = [];

  constructor(path: string, limits: SliceLimits, first: KnownPlace) {
    this.#path = path;
    this.#limits = limits;
    this.#first = first;
  }

  get isFull(): boolean {
    return this.slices.length >= this.#limits.slices || (this.lines >= MAX_SHORT_LINES && areShort(this));
  }

  /** Takes whole records, up to a place of the input, with some places in them. They are in the file after the next `flush` or `end`. */
  async add(pieces: readonly Buffer[], end: KnownPlace, places: readonly KnownPlace[]): Promise<void> {
    for (const { byte, line } of places) this.#places.push({ byte: byte - this.#first.byte, line });
    for (const piece of pieces) {
      this.#waiting.push(piece);
      this.#taken += piece.length;
      this.bytes += piece.length;
    }
    this.lines = this.#linesBefore + end.line - this.#first.line;
    if (this.#limits.isFull({ bytes: this.#taken, lines: end.line - this.#first.line })) await this.end(end);
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    // Over what a chunk before left there, so that its pages are used again.
    this.#file ??= await open(this.#sliceName(), constants.O_CREAT | constants.O_WRONLY, 0o600);
    await writeTogether(this.#file, this.#waiting, this.#written);
    this.#written = this.#taken;
    this.#waiting = [];
  }

  /** Ends the slice that is written now; the next one begins there. */
  async end(place: KnownPlace): Promise<void> {
    await this.flush();
    if (this.#file !== undefined) {
      await this.#file.truncate(this.#written);
      await this.#file.close();
      this.#file = undefined;
      this.slices.push({ path: this.#sliceName(), firstLine: this.#first.line, places: this.#places });
    }
    this.#linesBefore = this.lines;
    this.#first = place;
    this.#places = [];
    this.#written = 0;
    this.#taken = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  #sliceName(): string {
    return `${this.#path}-${this.slices.length}`;
  }
}
