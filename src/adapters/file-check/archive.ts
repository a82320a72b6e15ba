import { createGunzip } from 'node:zlib';
import { unzstd } from '../zstd-frames.ts';
import { archiveSortOf, type ArchiveSort } from './archive-sort.ts';
import { watchEntry } from './entry.ts';
import type { Inspection } from './inspection.ts';
import type { ByteSource } from './source.ts';
import { checkTar } from './tar.ts';
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
  const content = counted(source, whole, inspection);
  const head: Uint8Array[] = [];
  let headBytes = 0;
  while (headBytes < HEAD_BYTES) {
    const { value, done } = await content.next();
    if (done === true) break;
    head.push(value);
    headBytes += value.length;
  }
  const again = joined(head, content);
  if (archiveSortOf(Buffer.concat(head)) === 'tar') return checkTar(again, inspection, depth);
  const watch = watchEntry('', inspection, depth);
  for await (const chunk of again) watch.take(chunk);
  await watch.end();
}

async function* counted(source: ByteSource, content: AsyncIterable<Uint8Array>, inspection: Inspection): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    inspection.countInflated({ more: chunk.length, unpacked: bytes, packed: source.sizeBytes });
    yield chunk;
  }
}

async function* joined(head: readonly Uint8Array[], rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* rest;
}
