import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Change } from './state.ts';

/** The request that an entry came from; absent for what happened by itself. */
export interface JournaledRequest {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly idempotencyKey: string | null;
  readonly status: number;
  readonly isReplay: boolean;
  /** What was done to the answer or to the request on purpose. */
  readonly fault: string | null;
}

/** All that changed at one moment: it is on disk as a whole or not at all. */
export interface JournalEntry {
  readonly number: number;
  /** ISO; the machine's clock. */
  readonly at: string;
  readonly clockOffsetMs: number;
  readonly cause: 'request' | 'time' | 'control' | 'delivery';
  readonly request?: JournaledRequest;
  readonly changes: readonly Change[];
}

/** An append-only file of lines. What `flushed` has resolved for survives the end of the process and of the machine. */
export class Journal {
  readonly #file: FileHandle;
  readonly #entries: JournalEntry[];
  #waiting: string[] = [];
  #flushing: Promise<void> | undefined;
  /** After a failed write nobody knows what is on disk, so nothing is acknowledged any more. */
  #failure: Error | undefined;

  private constructor(file: FileHandle, entries: JournalEntry[]) {
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Opens or begins a journal. A last line that was not written whole was never acknowledged, and is cut off.
   * @throws {Error} when a line in the middle can't be read
   */
  static async open(path: string): Promise<Journal> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
    const content = await readFile(path);
    const end = content.lastIndexOf(0x0a) + 1;
    if (end < content.length) await file.truncate(end);
    const lines = content.subarray(0, end).toString('utf8').split('\n').slice(0, -1);
    return new Journal(file, lines.map(parseLine));
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  append(entry: Omit<JournalEntry, 'number' | 'at'>): void {
    const numbered = { number: this.#entries.length + 1, at: new Date().toISOString(), ...entry };
    this.#entries.push(numbered);
    this.#waiting.push(`${JSON.stringify(numbered)}\n`);
  }

  /** Resolves when everything appended so far is on disk; many callers share one write. */
  async flushed(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.length === 0) return;
    this.#flushing = this.#flush();
    await this.#flushing;
  }

  async close(): Promise<void> {
    await this.flushed();
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    try {
      const lines = this.#waiting;
      this.#waiting = [];
      await this.#file.appendFile(lines.join(''));
      await this.#file.datasync();
    } catch (error) {
      this.#failure = new Error('The journal cannot be written.', { cause: error });
      throw this.#failure;
    } finally {
      this.#flushing = undefined;
    }
  }
}

function parseLine(line: string, index: number): JournalEntry {
  try {
    return JSON.parse(line) as JournalEntry; // written above
  } catch (error) {
    throw new Error(`The journal is damaged in line ${index + 1}.`, { cause: error });
  }
}
