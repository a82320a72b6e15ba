import type { OutputFormat, TableColumn } from '../tables.ts';

/** A text as SQL has it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as SQL has it. */
export function named(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `{'a': 'BIGINT', …}`, as readers take columns. */
export function columnList(columns: readonly TableColumn[]): string {
  return `{${columns.map(({ name, type }) => `${quoted(name)}: ${quoted(type)}`).join(', ')}}`;
}

/** Options of COPY … TO. */
export function copyOptions({ format, compression }: OutputFormat): string {
  switch (format) {
    case 'parquet':
      return `(FORMAT parquet, COMPRESSION ${compression === 'none' ? 'uncompressed' : compression})`;
    case 'jsonl':
      return `(FORMAT json, COMPRESSION ${compression})`;
    case 'csv':
      return `(FORMAT csv, HEADER false, COMPRESSION ${compression})`;
  }
}

/** How an output is read again. */
export function readOutput(paths: readonly string[], { format, compression }: OutputFormat, columns: readonly TableColumn[]): string {
  const list = `[${paths.map(quoted).join(', ')}]`;
  switch (format) {
    case 'parquet':
      return `read_parquet(${list})`;
    case 'jsonl':
      return `read_json(${list}, format = 'newline_delimited', columns = ${columnList(columns)}, compression = ${quoted(compression === 'none' ? 'uncompressed' : compression)})`;
    case 'csv':
      return `read_csv(${list}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', columns = ${columnList(columns)}, compression = ${quoted(compression === 'none' ? 'uncompressed' : compression)})`;
  }
}

/** Where a field of an object is, as a JSON Pointer. */
export function pointerTo(name: string): string {
  return quoted(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}
