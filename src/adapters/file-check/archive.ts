import { createGunzip } from 'node:zlib';
import { unzstd } from '../zstd-frames.ts';
import { archiveSortOf, type ArchiveSort } from './archive-sort.ts';
import { watchEntry } from './entry.ts';
import type { Inspection } from './inspection.ts';
import { markupOf } from './markup.ts';
import type { ByteSource } from './source.ts';
import { checkTar } from './tar.ts';
import { decoded, isText, TextReading } from './text.ts';
import { orDamaged, unpacked } from './unpack.ts';
import { checkZip, type ZipFacts } from './zip.ts';

const HEAD_BYTES = 512;

export interface ArchiveLook {
  readonly source: ByteSource;
  readonly sort: ArchiveSort;
  readonly inspection: Inspection;
  /** 1 for the file itself. */
  readonly depth: number;
}

/** Looks into an archive and the archives in it. Gives what a zip says of its type. */
export async function checkArchive({ source, sort, inspection, depth }: ArchiveLook): Promise<ZipFacts | undefined> {
  switch (sort) {
    case 'zip':
      return checkZip(source, inspection, depth);
    case 'tar':
      await checkTar(source.stream(), inspection, depth);
      return undefined;
    case 'gzip':
    case 'zstd':
      await checkPacked({ source, sort, inspection, depth });
      return undefined;
    case 'closed':
      return inspection.refuse('archive_unsupported');
  }
}

/** One packed stream, which may hold a tar: that counts as one archive. */
async function checkPacked({ source, sort, inspection, depth }: ArchiveLook): Promise<void> {
  const packed = source.stream();
  const whole = sort === 'gzip' ? unpacked(packed, createGunzip(), inspection) : orDamaged(unzstd(packed), inspection);
  const counting = { isTable: false };
  const content = counted(source, whole, { inspection, counting });
  const head: Uint8Array[] = [];
  let headBytes = 0;
  while (headBytes < HEAD_BYTES) {
    const { value, done } = await content.next();
    if (done === true) break;
    head.push(value);
    headBytes += value.length;
  }
  const again = joined(head, content);
  const first = Buffer.concat(head);
  if (archiveSortOf(first) === 'tar') return checkTar(again, inspection, depth);
  counting.isTable = depth === 1 && isText(first) && markupOf(decoded(first)) === undefined;
  const reading = new TextReading(inspection);
  const watch = watchEntry('', inspection, depth);
  for await (const chunk of again) {
    watch.take(chunk);
    if (counting.isTable && reading.isEnough(chunk)) break;
  }
  await watch.end();
}

interface Counting {
  readonly inspection: Inspection;
  /** Known once its beginning is. */
  readonly counting: { readonly isTable: boolean };
}

async function* counted(
  source: ByteSource,
  content: AsyncIterable<Uint8Array>,
  { inspection, counting }: Counting,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    inspection.countInflated({ more: chunk.length, unpacked: bytes, packed: source.sizeBytes, isTable: counting.isTable });
    yield chunk;
  }
}

async function* joined(head: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* rest;
}
