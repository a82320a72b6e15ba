import { constants } from 'node:fs';
import { access, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { giveBack } from './give-back.ts';
import type { PartialRef, Partials, PartialWriter, Segment } from './partials.ts';
import { flushFolder, ONLY_OUR_FILES, type Root, TEMPORARY_FOLDER, undefinedWhenMissing } from './storage-file-root.ts';
import { writeTogether } from './write-all.ts';
import { checkName } from './storage-names.ts';

/** Beside the temporary files of puts, where no sweep looks: only their owner knows when they are given up. */
const FOLDER = join(TEMPORARY_FOLDER, 'uploads');
const ID = /^[0-9a-f-]{36}$/;
const ONLY_US = 0o700;

/** A folder for each partial, a file for each segment. */
export function createFilePartials(root: Root): Partials {
  const folderOf = async (id: string): Promise<string> => {
    if (!ID.test(id)) throw new Error('A partial has an id that is not one of ours.');
    return join(await root.path(), FOLDER, id);
  };
  return {
    open: async (id, segment) => openSegment(await folderOf(id), segment),
    read: (partial, range) => Readable.from(readSegments(folderOf(partial.id), partial, range), { objectMode: false }),
    async publish(partial, name) {
      checkName(name);
      const [segment, second] = partial.segments;
      if (segment === undefined || second !== undefined) return false;
      const path = join(await folderOf(partial.id), String(segment.epoch));
      const file = await open(path, 'r+').catch(undefinedWhenMissing);
      // Published by an earlier attempt, or lost: looking at the object tells.
      if (file === undefined) return (await root.find(name)) !== undefined;
      try {
        // Behind the acknowledged bytes may be some of a request that broke off.
        await file.truncate(partial.sizeBytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await root.publish(path, name);
      return true;
    },
    async discard(id) {
      const folder = await folderOf(id);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function openSegment(folder: string, { epoch, firstByte }: Segment): Promise<PartialWriter> {
  const path = join(folder, String(epoch));
  const isNew = await access(path).then(
    () => false,
    () => true,
  );
  if (isNew) await mkdir(folder, { recursive: true, mode: ONLY_US });
  // No O_TRUNC: an earlier request has written the acknowledged bytes that are there.
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, ONLY_OUR_FILES);
  if (isNew) for (const made of [folder, join(folder, '..'), join(folder, '../..')]) await flushFolder(made);
  return {
    async write(bytes, atByte) {
      await writeTogether(file, bytes, atByte - firstByte);
      for (const piece of bytes) giveBack(piece);
    },
    flush: () => file.datasync(),
    close: () => file.close(),
  };
}

async function* readSegments(
  folder: Promise<string>,
  { segments, sizeBytes }: PartialRef,
  range: { readonly firstByte: number; readonly endByte: number } = { firstByte: 0, endByte: sizeBytes },
): AsyncGenerator<Uint8Array> {
  for (const [index, { epoch, firstByte }] of segments.entries()) {
    const start = Math.max(firstByte, range.firstByte);
    const end = Math.min(segments[index + 1]?.firstByte ?? sizeBytes, range.endByte);
    if (start >= end) continue;
    const file = await open(join(await folder, String(epoch)), constants.O_RDONLY | constants.O_NOFOLLOW);
    yield* file.createReadStream({ start: start - firstByte, end: end - firstByte - 1 });
  }
}
