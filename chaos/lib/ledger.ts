import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** A file of JSON lines. What was appended is on the disk when the promise resolves. */
export class Ledger implements AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #flush: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async create(path: string): Promise<Ledger> {
    return new Ledger(path, await open(path, 'ax'));
  }

  /** Lines that come while others are being written share the next fsync. */
  append(record: object): Promise<void> {
    this.#waiting.push(`${JSON.stringify(record)}\n`);
    const before = this.#flush;
    if (this.#waiting.length === 1) this.#flush = (before ?? Promise.resolve()).then(() => this.#write());
    return this.#flush ?? Promise.resolve();
  }

  async #write(): Promise<void> {
    const lines = this.#waiting.join('');
    this.#waiting = [];
    await this.#file.appendFile(lines);
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flush;
    await this.#file.close();
  }
}

/** All lines of a ledger, for a judge, who believes files and no memory. */
export function readLedger(path: string): readonly unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
}
