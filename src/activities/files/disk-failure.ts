import { ApplicationFailure } from '@temporalio/common';
import { DiskError } from '../../contracts/files/disk-error.ts';

/** By the pauses of `PROFILES.work` some 9 minutes: time to make room, and no more, since a disk that is broken stays so. */
const ATTEMPTS = 24;
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);
const BROKEN = new Set<unknown>(['EIO', 'EROFS']);

/** What ends the work where a disk of ours has failed it that often; undefined for what may pass, and for all else. */
export function diskFailure(error: unknown, attempt: number): ApplicationFailure | undefined {
  const fault = diskFault(error);
  if (fault === undefined || attempt < ATTEMPTS) return undefined;
  return ApplicationFailure.create({
    message: `${fault.message} It was tried ${attempt} times. Ask who runs the server to mend that, and retry the operation.`,
    type: 'DiskFailed',
    nonRetryable: true,
  });
}

function diskFault(error: unknown): DiskError | undefined {
  if (error instanceof DiskError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return FULL.has(code) || BROKEN.has(code) ? new DiskError(FULL.has(code) ? 'full' : 'broken') : undefined;
}
