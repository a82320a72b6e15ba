import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { DiskError } from '../../contracts/files/disk-error.ts';
import { TableError } from '../tables.ts';
import { quoted } from './sql.ts';

/** Its own count; buffers of files come on top, so that the whole stays below 512 MB. */
const MEMORY_LIMIT = '384MB';
const INTERRUPTED = /INTERRUPT/i;
const FULL = /no space left|quota exceeded/i;
/** Far less often than the engine could fill what is left of its memory. */
const LOOK_EVERY_MS = 50;
const KEPT_BYTES = `SELECT sum(memory_usage_bytes + temporary_storage_bytes)::DOUBLE AS bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'`;

/** A value as rows of results have it. */
export type Value = string | number | bigint | boolean | null;
export type Row = Readonly<Record<string, Value>>;

/** DuckDB, shut in: it reads and writes one folder, loads nothing, and takes no more settings. */
export class Session implements AsyncDisposable {
  readonly folder: string;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(folder: string, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.folder = folder;
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(folder: string, threads: number): Promise<Session> {
    const spill = join(folder, 'spill');
    await mkdir(spill, { recursive: true, mode: 0o700 });
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: MEMORY_LIMIT,
      temp_directory: spill,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
    });
    const connection = await instance.connect();
    const session = new Session(folder, instance, connection);
    await connection.run(`SET allowed_directories = [${quoted(`${folder}/`)}]`);
    await connection.run(`SET TimeZone = 'UTC'`);
    // Else each of the threads that took a turn keeps what it has freed, as much as a chunk takes, for as long as the process lives.
    await connection.run('SET allocator_background_threads = true');
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    return session;
  }

  /**
   * All rows of a statement; for those whose result is small.
   * @throws {TableError} where the data is at fault
   */
  async rows(statement: string, signal: AbortSignal): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for await (const row of this.stream(statement, signal)) rows.push(row);
    return rows;
  }

  /** The same, unless tables in memory come to take more than this meanwhile: then it is ended, and undefined. */
  async rowsWithin(maxBytes: number, statement: string, signal: AbortSignal): Promise<readonly Row[] | undefined> {
    const over = new AbortController();
    const ended = new AbortController();
    const watching = this.#watch(maxBytes, over, ended.signal);
    try {
      return await this.rows(statement, AbortSignal.any([signal, over.signal]));
    } catch (error) {
      if (!over.signal.aborted || signal.aborted) throw error;
      return undefined;
    } finally {
      // So that it ends no other statement.
      ended.abort();
      await watching;
    }
  }

  async #watch(maxBytes: number, over: AbortController, ended: AbortSignal): Promise<void> {
    try {
      while (await passes(LOOK_EVERY_MS, ended)) if ((await this.#keptBytes()) > maxBytes) return over.abort();
    } catch {
      // It has no memory left even to say so.
      over.abort();
    }
  }

  async #keptBytes(): Promise<number> {
    // Nothing else is said on the connection that is at work.
    const connection = await this.#instance.connect();
    try {
      const [[bytes = 0] = []] = (await connection.runAndReadAll(KEPT_BYTES)).getRowsJS();
      return Number(bytes);
    } finally {
      connection.closeSync();
    }
  }

  /** Rows as they come. */
  async *stream(statement: string, signal: AbortSignal): AsyncGenerator<Row> {
    signal.throwIfAborted();
    const stop = (): void => this.#connection.interrupt();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const result = await this.#connection.stream(statement);
      // Only plain values are asked for.
      for await (const rows of result.yieldRowObjectJs()) yield* rows as unknown as readonly Row[];
    } catch (error) {
      signal.throwIfAborted();
      throw explained(error);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  pathOf(name: string): string {
    return join(this.folder, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.closeSync();
    this.#instance.closeSync();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** False: it was ended before. */
async function passes(ms: number, ended: AbortSignal): Promise<boolean> {
  return setTimeout(ms, true, { signal: ended }).catch(() => false);
}

/**
 * Messages of the engine quote content and paths, so none of them is shown. The same table with the same statement fails again, whatever the
 * engine calls it; only what is wrong with a disk may pass.
 */
function explained(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TableError || INTERRUPTED.test(error.message)) return error;
  const sort = /^[A-Z][A-Za-z -]+ Error/.exec(error.message)?.[0];
  if (sort === undefined) return error;
  if (sort === 'IO Error') return new DiskError(FULL.test(error.message) ? 'full' : 'broken', { cause: error });
  if (sort === 'Out of Memory Error') return new TableError('The table needs more memory than there is for one.', { cause: error });
  const isData = /^(?:Invalid Input|Conversion|Invalid|Binder|Out of Range)/.test(sort);
  const message = isData ? 'The table can not be read as what it is said to be.' : `The table engine gave up on the table: ${sort}.`;
  return new TableError(message, { cause: error });
}
