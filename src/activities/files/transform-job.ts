import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { FileBytes, FindBytes } from '../../adapters/file-bytes.ts';
import type { Storage } from '../../adapters/storage.ts';
import type { TablePlan, Tables } from '../../adapters/tables.ts';
import type { FileTransformInput } from '../../contracts/files/transform.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { FileRow } from '../../store/files/records.ts';
import type { TransformChunkRow, TransformRow } from '../../store/files/transforms.ts';
import type { Store } from '../../store/index.ts';
import type { Slots } from '../lib/slots.ts';
import { fileGone } from './core.ts';
import { diskFailure } from './disk-failure.ts';
import { sourceFailure } from './source-failure.ts';

export interface FileTransformDeps {
  readonly store: Store;
  readonly storage: Storage;
  readonly findBytes: FindBytes;
  readonly slots: Slots;
  readonly tables: Tables;
  readonly transforms: {
    readonly chunkBytes: number;
    /** Records of one table that may be left out. */
    readonly maxRejects: number;
    readonly quotaBytes: number;
  };
}

/** What a step works on. */
export interface TransformJob {
  readonly run: RunRef;
  readonly input: FileTransformInput;
  readonly file: FileRow;
  /** Of the file. */
  readonly bytes: FileBytes;
  readonly transform: TransformRow;
  /** In order, without gaps. */
  readonly chunks: readonly TransformChunkRow[];
}

/** Between and in steps: what a cancel broke off fails as Temporal wants it to, and what the table is at fault for is never tried again; what a disk is, not for ever. */
export async function orCancelled<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  try {
    return await work(context.cancellationSignal);
  } catch (error) {
    if (context.cancellationSignal.aborted) await context.cancelled;
    if (error instanceof Error && error.name === 'TableError') throw rejected(error.message);
    throw sourceFailure(error) ?? diskFailure(error, context.info.attempt) ?? error;
  }
}

export function rejected(message: string): ApplicationFailure {
  return ApplicationFailure.create({ message, type: 'Rejected', nonRetryable: true, category: 'BENIGN' });
}

/** Tried again, it begins with what is in the ledger then. */
export function overtaken(): Error {
  return new Error('another attempt has got ahead with this table');
}

export async function loadJob({ store, findBytes }: Pick<FileTransformDeps, 'store' | 'findBytes'>, run: RunRef): Promise<TransformJob> {
  const operation = await store.operations.get(run.tenantId, run.operationId);
  if (operation === undefined) throw ApplicationFailure.nonRetryable('The operation does not exist.', 'NotOpen');
  // An attempt that was only stopped must not begin it all again. Under another run's id it may have ended: that run was reset.
  if (operation.finished_at !== null && operation.run_id === run.runId)
    throw ApplicationFailure.nonRetryable('The operation has ended.', 'NotOpen');
  // Checked against the kind's schema when it was accepted.
  const input = operation.input as FileTransformInput;
  const file = await store.files.get(run.tenantId, input.fileId);
  const bytes = file?.state === 'ready' ? findBytes(file) : undefined;
  if (file === undefined || bytes === undefined) throw fileGone();
  const digest = createHash('sha256').update(JSON.stringify(input)).digest('hex');
  const { transform, chunks } = await store.files.transforms.begin(run, digest);
  return { run, input, file, bytes, transform, chunks };
}

/** How the input is read, as it was found out once. */
export function planOf({ plan }: TransformRow): TablePlan | undefined {
  return plan === null ? undefined : (plan as unknown as TablePlan);
}
