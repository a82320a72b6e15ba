import * as z from 'zod';
import { FileName } from './file.ts';

const TEXT_ENCODINGS = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'windows-1252',
  'iso-8859-2',
  'iso-8859-15',
  'windows-1250',
  'windows-1251',
  'shift_jis',
  'gb18030',
] as const;
const MAX_COLUMNS = 2_000;

const ColumnType = z.enum(['text', 'integer', 'number', 'decimal', 'boolean', 'date', 'time', 'timestamp', 'timestamptz']);

/** Types as users say them, and as the table engine has them. */
export const COLUMN_TYPES: Readonly<Record<z.infer<typeof ColumnType>, string>> = {
  text: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  decimal: 'DECIMAL(38,9)',
  boolean: 'BOOLEAN',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
};

/** Make another table of a table. */
export const FileTransformInput = z.strictObject({
  fileId: z.uuid().meta({ description: 'A file that is `ready`.', example: '019ab6a0-7c00-7000-8000-000000000001' }),
  from: z
    .strictObject({
      format: z
        .enum(['csv', 'tsv', 'jsonl'])
        .optional()
        .meta({ description: 'Default: as the name of the file says, else its media type.' }),
      delimiter: z
        .string()
        .regex(/^[\t -!#-/:-@[-`{-~]$/, 'must be one character that is no letter, digit or quote')
        .optional()
        .meta({ description: 'Of csv. Default: found out.', example: ';' }),
      header: z.boolean().optional().meta({ description: 'Whether the first record has the names of the columns. Default: true.' }),
      encoding: z.enum(TEXT_ENCODINGS).optional().meta({ description: 'Default: what a byte order mark says, else utf-8.' }),
    })
    .optional()
    .meta({ description: 'How the file is written. One that is packed by gzip or zstd is unpacked by itself.' }),
  columns: z
    .array(z.strictObject({ name: z.string().min(1).max(255), type: ColumnType }))
    .min(1)
    .max(MAX_COLUMNS)
    .refine((columns) => new Set(columns.map(({ name }) => name.toLowerCase())).size === columns.length, 'must have a name of its own each')
    .optional()
    .meta({
      description:
        'Names and types of the columns: of csv and tsv all, in their order; of jsonl those that are wanted. Without it the types are found ' +
        'out from the first 20,480 records, of 8 MiB at most; values that don’t fit later are rejected.',
    }),
  to: z
    .strictObject({
      format: z.enum(['parquet', 'jsonl', 'csv']),
      compression: z.enum(['none', 'gzip', 'zstd']).optional().meta({ description: 'Default: `zstd` for parquet, `none` for texts.' }),
    })
    .optional()
    .meta({ description: 'Default: parquet.' }),
  profile: z
    .boolean()
    .optional()
    .meta({ description: 'Whether a profile of the columns is made too: JSON, and a page with histograms. Default: false.' }),
  name: FileName.optional().meta({
    description: 'Name of the new file. Default: that of the old one with another extension.',
    example: 'orders.parquet',
  }),
});
export type FileTransformInput = z.infer<typeof FileTransformInput>;

/** What a schema of single fields can't say. */
export function checkTransform({ from }: FileTransformInput, context: z.core.$RefinementCtx): void {
  const refuse = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
  if (from?.delimiter !== undefined && (from.format === 'jsonl' || from.format === 'tsv')) refuse(['from', 'delimiter'], 'is for csv only');
  if (from?.header !== undefined && from.format === 'jsonl') refuse(['from', 'header'], 'is for csv and tsv only');
}

export const FileTransformResult = z.object({
  fileId: z.uuid().meta({ description: 'The file that was made; a file like any other.' }),
  rows: z.int().meta({ description: 'Records in it.' }),
  rejected: z.int().meta({ description: 'Records of the old file that are not in it.' }),
  rejectsFileId: z.uuid().optional().meta({
    description:
      'JSON lines with `line`, `column`, `code` and `message` of each fault and, of csv and tsv, the beginning of its record; absent when there is none.',
  }),
  profileFileId: z.uuid().optional(),
  profilePageFileId: z.uuid().optional(),
  columns: z
    .array(z.object({ name: z.string(), type: z.string() }))
    .optional()
    .meta({ description: 'Absent when there are more than 50.' }),
  sizeBytes: z.int(),
  sha256: z.string(),
  links: z.object({
    file: z.string(),
    content: z.string(),
    rejects: z.string().optional(),
    profile: z.string().optional(),
    profilePage: z.string().optional(),
  }),
});
export type FileTransformResult = z.infer<typeof FileTransformResult>;
