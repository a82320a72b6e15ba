import { type FileHandle, open } from 'node:fs/promises';
import { type Reject, type RejectAllowance, TableError } from '../tables.ts';
import { linesOf } from './text-lines.ts';

const FLUSH_CHARS = 256 * 1024;

/** Rejects as JSON lines in a file, which come in the order of their lines; none of them is kept in memory. */
export class RejectFile implements AsyncDisposable {
  /** Records that have faults. */
  records = 0;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #allowed: RejectAllowance;
  #waiting = '';
  #lastLine = 0;

  private constructor(path: string, file: FileHandle, allowed: RejectAllowance) {
    this.#path = path;
    this.#file = file;
    this.#allowed = allowed;
  }

  static async open(path: string, allowed: RejectAllowance): Promise<RejectFile> {
    return new RejectFile(path, await open(path, 'w'), allowed);
  }

  /** @throws {TableError} when there are more than are allowed */
  async add(reject: Reject): Promise<void> {
    // Faults of one record follow each other, and no two records begin in one line.
    if (reject.line !== this.#lastLine) this.records += 1;
    this.#lastLine = reject.line;
    if (this.records > this.#allowed.left) throw tooMany(this.#allowed, reject);
    this.#waiting += `${JSON.stringify(reject)}\n`;
    if (this.#waiting.length > FLUSH_CHARS) await this.#flush();
  }

  /** All are in the file. Undefined when there is none. */
  async end(): Promise<string | undefined> {
    await this.#flush();
    return this.records === 0 ? undefined : this.#path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    const text = this.#waiting.toWellFormed();
    this.#waiting = '';
    if (text !== '') await this.#file.writeFile(text);
  }
}

/** What such a file holds. */
export async function* readRejects(path: string): AsyncGenerator<Reject> {
  await using file = await open(path, 'r');
  for await (const lines of linesOf(file.createReadStream({ autoClose: false })))
    for (const line of lines) yield JSON.parse(line.toString('utf8')) as Reject; // written by us
}

/** Both in the order of lines, as one. */
export async function* mergeRejects(one: AsyncIterable<Reject>, other: AsyncGenerator<Reject>): AsyncGenerator<Reject> {
  let next = await other.next();
  try {
    for await (const reject of one) {
      for (; next.done !== true && next.value.line < reject.line; next = await other.next()) yield next.value;
      yield reject;
    }
    for (; next.done !== true; next = await other.next()) yield next.value;
  } finally {
    await other.return(undefined);
  }
}

function tooMany({ of }: RejectAllowance, { line, code }: Reject): TableError {
  return new TableError(
    `More than ${of} records do not fit; the last of them begins in line ${line} (${code}). Say in \`from\` and \`columns\` how the table is written.`,
  );
}
