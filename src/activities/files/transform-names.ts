import type { InputFormat, OutputFormat } from '../../adapters/tables.ts';
import type { FileTransformInput } from '../../contracts/files/transform.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { FileRow } from '../../store/files/records.ts';
import type { TransformRow } from '../../store/files/transforms.ts';

const PACKED = /\.(?:gz|gzip|zst|zstd)$/i;
const MAX_NAME_CHARS = 200;
const MEDIA_TYPES = { parquet: 'application/vnd.apache.parquet', jsonl: 'application/x-ndjson', csv: 'text/csv' } as const;
const PACKED_TYPES = { gzip: 'application/gzip', zstd: 'application/zstd' } as const;
const PACKED_EXTENSIONS = { none: '', gzip: '.gz', zstd: '.zst' } as const;

/** Of all transforms of all tenants. */
export const PARTS_PREFIX = 'transforms/';

/** Where the parts of a transform lie until they are put together. */
export function partPrefix({ tenantId, rootId }: Pick<RunRef, 'tenantId' | 'rootId'>): string {
  return `${PARTS_PREFIX}${tenantId}/${rootId}/`;
}

/** Those that belong to one beginning of it. */
export function outputPrefix(run: Pick<RunRef, 'tenantId' | 'rootId'>, outputId: string): string {
  return `${partPrefix(run)}${outputId}/`;
}

/** Whose part it is, by its name. */
export function partOf(name: string): { readonly tenantId: string; readonly id: string; readonly outputId: string } | undefined {
  const [, tenantId, id, outputId] = /^transforms\/([^/]+)\/([^/]+)\/([^/]+)\/[^/]+$/.exec(name) ?? [];
  return tenantId === undefined || id === undefined || outputId === undefined ? undefined : { tenantId, id, outputId };
}

/** Names tell what is in it, so that an attempt which was only stopped and goes on can't put something else in its place. */
export function partName(
  run: RunRef,
  { output_id }: Pick<TransformRow, 'output_id'>,
  { number, end_byte, what }: { readonly number: number; readonly end_byte: number; readonly what: 'part' | 'rejects' },
): string {
  return `${outputPrefix(run, output_id)}${number}-${end_byte}-${what}`;
}

/** What the file is written in: as asked, else as its name says, else its media type; undefined when nothing says it. */
export function formatOf(input: FileTransformInput, { name, media_type }: Pick<FileRow, 'name' | 'media_type'>): InputFormat | undefined {
  if (input.from?.format !== undefined) return input.from.format;
  const extension = /\.([^.]+)$/.exec((name ?? '').replace(PACKED, ''))?.[1]?.toLowerCase();
  if (extension === 'csv' || extension === 'tsv' || extension === 'jsonl') return extension;
  if (extension === 'tab') return 'tsv';
  if (extension === 'ndjson' || media_type === 'application/x-ndjson') return 'jsonl';
  if (media_type === 'text/tab-separated-values') return 'tsv';
  return media_type === 'text/csv' || extension === 'txt' ? 'csv' : undefined;
}

export function outputOf({ to }: FileTransformInput): OutputFormat {
  const format = to?.format ?? 'parquet';
  return { format, compression: to?.compression ?? (format === 'parquet' ? 'zstd' : 'none') };
}

export function mediaTypeOf({ format, compression }: OutputFormat): string {
  return format === 'parquet' || compression === 'none' ? MEDIA_TYPES[format] : PACKED_TYPES[compression];
}

/** Names of the files that are made: of the old one with other ends. */
export function outputNames(input: FileTransformInput, name: string | null, to: OutputFormat) {
  const bare = (name ?? 'table').replace(PACKED, '').replace(/\.[^.]+$/, '');
  const base = [...(bare || 'table')].slice(0, MAX_NAME_CHARS).join('');
  const packed = to.format === 'parquet' ? '' : PACKED_EXTENSIONS[to.compression];
  return {
    output: input.name ?? `${base}.${to.format}${packed}`,
    rejects: `${base}.rejects.jsonl`,
    profile: `${base}.profile.json`,
    page: `${base}.profile.html`,
  };
}
