/** A table in a file: what it is written in. */
export type TableFormat = 'csv' | 'tsv' | 'jsonl' | 'parquet';
export type InputFormat = Exclude<TableFormat, 'parquet'>;
export type Compression = 'none' | 'gzip' | 'zstd';

/** How the records of a text are written. */
export interface Dialect {
  readonly format: InputFormat;
  /** One character; unused for JSON lines. */
  readonly delimiter: string;
}

export interface TableColumn {
  readonly name: string;
  /** Of DuckDB, one of a closed list, or nested ones that it made itself. */
  readonly type: string;
}

/** What is said of the input; what is left out is found out. */
export interface TableWish {
  readonly format: InputFormat;
  readonly delimiter?: string | undefined;
  /** Whether the first record has the names of the columns. */
  readonly hasHeader: boolean;
  readonly columns?: readonly TableColumn[] | undefined;
}

/** Found out once, and then the same for every chunk. */
export interface TablePlan {
  readonly dialect: Dialect;
  readonly columns: readonly TableColumn[];
  /** Where the first record after the header is. */
  readonly firstByte: number;
  /** 1 is the first. */
  readonly firstLine: number;
}

/** Why a record is not in the output. */
export interface Reject {
  /** Line of the input in which the record begins; 1 is the first. */
  readonly line: number;
  readonly column?: string;
  readonly code: RejectCode;
  readonly message: string;
  /** The beginning of the record, as it is written. */
  readonly text?: string;
}

export type RejectCode =
  | 'bad_quotes'
  | 'invalid_encoding'
  | 'invalid_json'
  | 'missing_columns'
  | 'not_an_object'
  | 'record_too_long'
  | 'too_many_columns'
  | 'unreadable'
  | 'wrong_type';

/** Where a record begins. */
export interface KnownPlace {
  readonly byte: number;
  /** Of the input; 1 is the first. */
  readonly line: number;
}

/** A run of whole records in a file of its own. */
export interface ChunkSlice {
  readonly path: string;
  readonly firstLine: number;
  /** Some places in it, in order, so that nobody must count lines from its beginning. */
  readonly places: readonly KnownPlace[];
}

/** A run of whole records, cut out of the input. */
export interface CutChunk {
  /** In order; none when it has nothing but rejects. */
  readonly slices: readonly ChunkSlice[];
  /** Of the input, from the first byte to the one after the last. */
  readonly firstByte: number;
  readonly endByte: number;
  readonly firstLine: number;
  readonly endLine: number;
  /** Nothing comes after it. */
  readonly isLast: boolean;
  /** Records that were left out while cutting. */
  readonly rejects: readonly Reject[];
}

/** The input from a byte on, in UTF-8, without a byte order mark. Pieces belong to whoever reads them. */
export type OpenInput = (firstByte: number) => AsyncIterable<Uint8Array>;

export interface CutRequest {
  readonly open: OpenInput;
  readonly plan: TablePlan;
  /** Where to go on. */
  readonly firstByte: number;
  readonly firstLine: number;
  /** A chunk has at least so many bytes, unless it is the last, or has very many short records, or fields that could all be wrong. */
  readonly chunkBytes: number;
}

export interface ConvertRequest {
  readonly chunk: CutChunk;
  readonly plan: TablePlan;
  readonly to: OutputFormat;
  readonly rejects: RejectAllowance;
  readonly signal: AbortSignal;
}

/** How many records may still be left out, and how many of the whole table; one more is a TableError. */
export interface RejectAllowance {
  readonly left: number;
  readonly of: number;
}

export interface OutputFormat {
  readonly format: Exclude<TableFormat, 'tsv'>;
  readonly compression: Compression;
}

export interface Converted {
  /** The part of the output that this chunk makes; undefined when none of its records is in it. */
  readonly path: string | undefined;
  readonly rows: number;
  /** Records that are not in the output. */
  readonly rejected: number;
  /** JSON lines of rejects, in the order of lines; undefined when there is none. */
  readonly rejectsPath: string | undefined;
}

/** A table engine with a folder of its own. One caller at a time. */
export interface TableWork extends AsyncDisposable {
  /** Finds out how the table is written and what its columns are. Rejects with a TableError when it can't be read as one. */
  inspect(open: OpenInput, wish: TableWish, signal: AbortSignal): Promise<TablePlan>;
  /** Cuts the input into chunks, one after the other; each is gone when the next is asked for. */
  cut(request: CutRequest): AsyncGenerator<CutChunk, void>;
  /** The output of one chunk. What it made is gone with the next call. */
  convert(request: ConvertRequest): Promise<Converted>;
  /** A part without rows, for an output that has none. */
  empty(request: EmptyRequest): Promise<string>;
  /** What the columns of an output hold. */
  profile(request: ProfileRequest): Promise<TableProfile>;
  /** A path in the folder. */
  pathOf(name: string): string;
}

export interface EmptyRequest {
  readonly columns: readonly TableColumn[];
  readonly to: OutputFormat;
  readonly signal: AbortSignal;
}

export interface ProfileRequest {
  /** All parts of the output. */
  readonly paths: readonly string[];
  readonly to: OutputFormat;
  readonly columns: readonly TableColumn[];
  readonly signal: AbortSignal;
}

export interface ColumnProfile {
  readonly name: string;
  readonly type: string;
  readonly values: number;
  readonly nulls: number;
  /** Estimated. */
  readonly distinct: number;
  readonly min?: string | number;
  readonly max?: string | number;
  readonly mean?: number;
  readonly standardDeviation?: number;
  /** Estimated; at 5, 25, 50, 75 and 95 percent. */
  readonly quantiles?: readonly number[];
  /** Of numbers and times: equal widths from min to max. */
  readonly histogram?: readonly { readonly from: string | number; readonly to: string | number; readonly count: number }[];
  /** Of texts and the like: the most frequent, estimated. */
  readonly top?: readonly { readonly value: string }[];
}

export interface TableProfile {
  readonly rows: number;
  readonly columns: readonly ColumnProfile[];
}

export interface Tables {
  /** Runs with so many threads, in a folder that goes with it. */
  open(options: { readonly threads: number }): Promise<TableWork>;
  /** The content of a packed file, all members or frames of it. Whoever stops reading stops the unpacking. */
  unpack(packed: AsyncIterable<Uint8Array>, by: 'gzip' | 'zstd'): AsyncIterable<Uint8Array>;
  /** Puts parts together to one output; a Parquet file is made of one part at least. Each piece is gone when the next is asked for. */
  join(parts: readonly OutputPart[], to: OutputFormat, columns: readonly TableColumn[]): AsyncIterable<Uint8Array>;
}

export interface OutputPart {
  readonly sizeBytes: number;
  /** Pieces belong to whoever reads them. */
  read(firstByte?: number, lastByte?: number): AsyncIterable<Uint8Array>;
}

/** The table can't be read, and trying again changes nothing. Its message is for the user, and quotes no content. */
export class TableError extends Error {
  override readonly name = 'TableError';
}
