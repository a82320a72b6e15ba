import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { PartialRef } from '../../adapters/partials.ts';
import type { FindBytes } from '../../adapters/file-bytes.ts';
import type { Storage } from '../../adapters/storage.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { FileInHand, StoredBytes } from '../../store/files/processing.ts';
import type { Store } from '../../store/index.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import { createProgress, type ProgressReporter } from '../lib/progress.ts';
import type { Slots } from '../lib/slots.ts';
import { type FileRequest, fileGone, objectNameOf } from './core.ts';
import { removeBytes } from './remove-bytes.ts';
import { orSourceFailure } from './source-failure.ts';

export interface FileStoringDeps {
  readonly store: Store;
  readonly storage: Storage;
  readonly findBytes: FindBytes;
  readonly slots: Slots;
}

/** What is known of the bytes once they are an object. */
export interface StoredFacts {
  readonly sizeBytes: number;
  readonly sha256: string;
}

interface Job extends FileRequest {
  readonly found: FileInHand;
  readonly signal: AbortSignal;
}

export function createFileStoring(deps: FileStoringDeps) {
  const { store, storage, slots } = deps;

  /**
   * Makes what was uploaded an object of its own name. Bytes that came through one process in one go are renamed and never read again;
   * others are put together and hashed. Safe to repeat.
   */
  async function storeFile({ run, fileId }: FileRequest): Promise<StoredFacts> {
    return withHeartbeat(async () => {
      const found = await store.files.processing.inHand({ run, fileId });
      if (found === undefined) return giveUp({ run, fileId });
      const { cancellationSignal: signal } = Context.current();
      const job = { run, fileId, found, signal };
      const isOurs = found.file.source === null;
      const stored = await slots.use<StoredBytes>(1, signal, () => (isOurs ? storeBytes(deps, job) : readSource(deps, job)));
      if (!(await store.files.processing.setStored({ run, fileId }, stored))) return giveUp({ run, fileId });
      if (found.upload !== undefined) await storage.partials.discard(fileId);
      return { sizeBytes: stored.sizeBytes, sha256: stored.sha256 };
    });
  }

  /** What an attempt that died may have left of a file that was deleted meanwhile. */
  async function giveUp({ run, fileId }: FileRequest): Promise<never> {
    await removeBytes(deps, { tenantId: run.tenantId, fileId, kind: 'fileRemoval' });
    throw fileGone();
  }

  /** Removes all bytes of a file that was deleted or of an upload that was given up. Safe to repeat. */
  async function removeFile({ file }: { readonly file: FileRef }): Promise<{ readonly removed: boolean }> {
    return withHeartbeat(async () => ({ removed: await removeBytes(deps, file) }));
  }

  return { storeFile, removeFile };
}

async function storeBytes({ store, storage }: FileStoringDeps, job: Job): Promise<StoredBytes> {
  const { run, fileId, found, signal } = job;
  const { file, upload } = found;
  const objectName = file.object_name ?? objectNameOf({ tenantId: run.tenantId, fileId });
  const total = file.size_bytes ?? 0;
  const progress = createProgress(store.streams, run, { total, unit: 'bytes' });
  const partial = upload === undefined || file.object_name !== null ? undefined : partialOf(upload);
  if (partial !== undefined && !(await storage.partials.publish(partial, objectName))) {
    const put = await storage.put(objectName, counted(storage.partials.read(partial), progress), { signal });
    return { objectName, ...put };
  }
  const known = file.sha256 ?? upload?.sha256 ?? undefined;
  if (known !== undefined) return { objectName, sizeBytes: total, sha256: known };
  const opened = await storage.get(objectName);
  if (opened === undefined) throw fileGone();
  return { objectName, sizeBytes: opened.sizeBytes, sha256: await hashOf(opened.body, progress, signal) };
}

/** Bytes that stay where they are are only read: once, so that it is known what they are. */
async function readSource({ store, findBytes }: FileStoringDeps, job: Job): Promise<StoredBytes> {
  const { run, found, signal } = job;
  const { sha256, size_bytes: total } = found.file;
  // It is the version that was read before, or there is nothing to be had.
  if (sha256 !== null && total !== null) return { objectName: null, sizeBytes: total, sha256 };
  return orSourceFailure({ store, ...job }, async () => {
    const opened = await findBytes(found.file)?.read(undefined, { signal });
    if (opened === undefined) throw fileGone();
    const progress = createProgress(store.streams, run, { total: opened.sizeBytes, unit: 'bytes' });
    return { objectName: null, sizeBytes: opened.sizeBytes, sha256: await hashOf(opened.body, progress, signal) };
  });
}

async function hashOf(content: AsyncIterable<Uint8Array>, progress: ProgressReporter, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of counted(content, progress)) {
    signal.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest('hex');
}

function partialOf(upload: NonNullable<FileInHand['upload']>): PartialRef {
  return { id: upload.id, segments: upload.segments, sizeBytes: upload.offset_bytes };
}

async function* counted(source: AsyncIterable<Uint8Array>, progress: ProgressReporter): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of source) {
    yield chunk;
    doneBytes += chunk.byteLength;
    await progress.report(doneBytes);
  }
}
