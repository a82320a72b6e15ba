import {
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { FileActivities, FileCoreActivities } from '../../activities/files/index.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { Asked } from '../../contracts/pure/messages.ts';
import { TASK_QUEUES } from '../../contracts/pure/task-queues.ts';
import { PROFILES } from '../lib/profiles.ts';
import { isRunFull } from '../lib/run-length.ts';

const core = proxyLocalActivities<FileCoreActivities>({ ...PROFILES.bookkeeping, summary: 'Is its time up?' });
const files = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Remove what came' });

/** Signal: the upload may have ended; look now. */
export const uploadEnded = defineSignal<[Asked]>('uploadEnded');

/**
 * Keeps the time of one upload: gives it up when no more bytes have come for as long as it is kept, and then removes those that came.
 * Requests move its end on in the database; this looks there when the end it knows has come. Signal: uploadEnded.
 */
export async function upload(ref: FileRef): Promise<{ readonly state: string }> {
  let isToldOf = false;
  setHandler(
    uploadEnded,
    () => {
      isToldOf = true;
    },
    { description: 'It is whole, or was given up: look now.' },
  );
  for (;;) {
    isToldOf = false;
    const standing = await core.lookAtUpload({ file: ref, nowMs: Date.now() });
    setCurrentDetails(`**${standing.state}**`);
    if (standing.state !== 'open') {
      if (standing.state === 'expired') await files.removeFile({ file: ref });
      return { state: standing.state };
    }
    if (isRunFull()) await continueAsNew<typeof upload>(ref);
    await condition(() => isToldOf, standing.expiresInMs, { summary: 'given up unless more comes' });
  }
}
