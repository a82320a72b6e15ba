import { proxyActivities } from '@temporalio/workflow';
import type { FileActivities } from '../../activities/files/index.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import { TASK_QUEUES } from '../../contracts/pure/task-queues.ts';
import { PROFILES } from '../lib/profiles.ts';

const files = proxyActivities<FileActivities>({ ...PROFILES.work, taskQueue: TASK_QUEUES.files, summary: 'Remove the bytes' });

/** Removes the bytes of a file that was deleted, however long storage is away. */
export async function fileRemoval(ref: FileRef): Promise<{ readonly state: string }> {
  await files.removeFile({ file: ref });
  return { state: 'removed' };
}
