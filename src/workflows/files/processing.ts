import { CancellationScope, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { FileActivities, FileCoreActivities, FileToProcess } from '../../activities/files/index.ts';
import type { OperationRef, Outcome } from '../../contracts/pure/operations.ts';
import { TASK_QUEUES } from '../../contracts/pure/task-queues.ts';
import { type OperationControl, runOperation } from '../lib/operation.ts';
import { PROFILES } from '../lib/profiles.ts';

const core = proxyLocalActivities<FileCoreActivities>({ ...PROFILES.bookkeeping, summary: 'Bookkeeping of the file' });
const storing = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Store' });
const checking = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Check' });

/** One whole file: stored under its own name, looked into, and then ready or in quarantine. Signals: pause, resume. */
export async function fileProcessing(ref: OperationRef) {
  return runOperation<FileToProcess>(ref, { open: core.openFile, run: process });
}

async function process(first: FileToProcess, control: OperationControl): Promise<Outcome> {
  const { fileId } = first;
  const isLate = (): boolean => first.expiresAtMs !== undefined && control.run().nowMs >= first.expiresAtMs;
  await control.checkpoint();
  const stored = await storing.storeFile({ run: control.run(), fileId });
  await control.checkpoint();
  if (isLate()) return { status: 'expired' };
  await control.mark('checking');
  const verdict = await checking.checkFile({ run: control.run(), fileId });
  await control.checkpoint();
  if (isLate()) return { status: 'expired' };
  // Once it is written that the file is ready, a cancel comes too late.
  const { state } = await CancellationScope.nonCancellable(() => core.settleFile({ run: control.run(), fileId, verdict }));
  const { mediaType, reasons } = verdict;
  return { status: 'succeeded', result: { fileId, state, mediaType, ...stored, ...(reasons.length === 0 ? {} : { reasons }) } };
}
