import { CancellationScope, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { FileActivities, FileCoreActivities, TransformToDo } from '../../activities/files/index.ts';
import type { OperationRef, Outcome } from '../../contracts/pure/operations.ts';
import { TASK_QUEUES } from '../../contracts/pure/task-queues.ts';
import { type OperationControl, runOperation } from '../lib/operation.ts';
import { PROFILES } from '../lib/profiles.ts';

const core = proxyLocalActivities<FileCoreActivities>({ ...PROFILES.bookkeeping, summary: 'Open' });
const transforming = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Transform chunks' });
const joining = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Put the parts together' });
const removing = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Remove the parts' });

/** One table made of another: chunk by chunk, then put together, then shown. Signals: pause, resume. */
export async function fileTransform(ref: OperationRef) {
  return runOperation<TransformToDo>(ref, { open: core.openTransform, run: transform });
}

async function transform(first: TransformToDo, control: OperationControl): Promise<Outcome> {
  let hasSucceeded = false;
  try {
    const outcome = await makeFile(first, control);
    hasSucceeded = outcome.status === 'succeeded';
    return outcome;
  } finally {
    await CancellationScope.nonCancellable(() => removing.discardTransform({ run: control.run(), hasSucceeded }));
  }
}

async function makeFile(first: TransformToDo, control: OperationControl): Promise<Outcome> {
  const isLate = (): boolean => first.expiresAtMs !== undefined && control.run().nowMs >= first.expiresAtMs;
  for (let isDone = false; !isDone;) {
    await control.checkpoint();
    if (isLate()) return { status: 'expired' };
    ({ isDone } = await transforming.transformFile({ run: control.run() }));
  }
  await control.checkpoint();
  if (isLate()) return { status: 'expired' };
  await control.mark('joining');
  return { status: 'succeeded', result: { ...(await joining.finishTransform({ run: control.run() })) } };
}
