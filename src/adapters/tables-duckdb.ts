import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, createZstdCompress } from 'node:zlib';
import { Readable } from 'node:stream';
import { oneAtATime } from './give-back.ts';
import { type OutputFormat, type OutputPart, type TableColumn, TableError, type Tables, type TableWork } from './tables.ts';
import { createCsvConverter } from './tables/csv.ts';
import { cutChunks } from './tables/cut.ts';
import { inspectTable } from './tables/inspect.ts';
import { convertJsonl } from './tables/jsonl.ts';
import { joinParquet } from './tables/parquet-join.ts';
import { profileTable } from './tables/profile.ts';
import { Session } from './tables/session.ts';
import { copyOptions, named, quoted } from './tables/sql.ts';
import { newWorkPath, openWorkFolder } from './work-folder.ts';
import { unzstd } from './zstd-frames.ts';

/** DuckDB in this process, each piece of work in an instance and a folder of its own. */
export function createDuckdbTables({ folder }: { /** Where those folders are made. */ readonly folder: string }): Tables {
  let swept: Promise<void> | undefined;
  return {
    async open({ threads }) {
      swept ??= openWorkFolder(folder);
      await swept;
      return workOf(await Session.open(newWorkPath(folder), threads));
    },
    unpack: (packed, by) => unpacked(by === 'gzip' ? gunzipped(packed) : unzstd(packed)),
    join: joinParts,
  };
}

function workOf(session: Session): TableWork {
  const convertCsv = createCsvConverter(session);
  return {
    inspect: (open, wish, signal) => inspectTable(session, { open, wish }, signal),
    cut: (request) => cutChunks(request, session.pathOf('chunk')),
    convert: (request) => (request.plan.dialect.format === 'jsonl' ? convertJsonl(session, request) : convertCsv(request)),
    async empty({ columns, to, signal }) {
      const path = session.pathOf('part');
      const nothing = columns.map(({ name, type }) => `NULL::${type} AS ${named(name)}`).join(', ');
      await session.rows(`COPY (SELECT ${nothing} LIMIT 0) TO ${quoted(path)} ${copyOptions(to)}`, signal);
      return path;
    },
    profile: (request) => profileTable(session, request),
    pathOf: (name) => session.pathOf(name),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** How Node names what is wrong with packed bytes. */
const DAMAGED = /^(?:Z_|ZSTD_)/;

/** A text that is damaged is so at each try. */
async function* unpacked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && DAMAGED.test(String(error.code)))) throw error;
    throw new TableError('The packed text is damaged, or ends too early.', { cause: error });
  }
}

async function* gunzipped(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unpacker = createGunzip();
  // A fault is thrown by reading; here it must only be heard.
  const feeding = pipeline(Readable.from(packed), unpacker).catch(() => undefined);
  try {
    for await (const piece of unpacker) yield piece as Uint8Array;
  } finally {
    unpacker.destroy();
    await feeding;
  }
}

/** Texts are joined as they are, packed ones too: a reader unpacks one member after the other. */
async function* joinParts(parts: readonly OutputPart[], to: OutputFormat, columns: readonly TableColumn[]): AsyncGenerator<Uint8Array> {
  if (to.format === 'parquet') return yield* joinParquet(parts);
  if (to.format === 'csv') yield* packedText(`${columns.map(({ name }) => csvField(name)).join(',')}\n`, to);
  for (const part of parts) yield* oneAtATime(part.read());
}

async function* packedText(text: string, { compression }: OutputFormat): AsyncGenerator<Uint8Array> {
  const source = Readable.from([Buffer.from(text)]);
  if (compression === 'none') yield* source;
  else yield* source.pipe(compression === 'gzip' ? createGzip() : createZstdCompress());
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
