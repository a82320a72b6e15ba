import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import { type Job, startJob } from './job.ts';

const EVERY_MS = 3_600_000; // 1 h
/** Far longer than anybody writes to one object without a byte. */
const KEEP_TEMPORARY_MS = 86_400_000; // 1 day
/** For so long a retry goes on where the work ended. */
const KEEP_ABANDONED_MS = 7 * 86_400_000; // 7 days

/** Removes what killed processes and ended work have left in storage; given by the composition root. */
export interface StorageSweep {
  /** What nobody wrote to for so long and no object came of. Resolves to how many there were. */
  readonly temporary: (olderThanMs: number) => Promise<number>;
  /** What transforms left that ended before then and were not retried. `true`: there may be more. */
  readonly transforms: (endedBefore: Date, now: Date) => Promise<boolean>;
  /** Uploads past their end that nobody gave up, and bytes that nobody removed. `true`: there may be more. */
  readonly leftBehind: (now: Date) => Promise<boolean>;
  /** Parts of transforms that belong to none any more, put before then. */
  readonly strayParts: (putBefore: Date) => Promise<void>;
}

export interface FileJobsDeps {
  readonly sweep: StorageSweep;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Clears up in storage now and then. Any number of processes may run it. */
export function startFileJobs({ sweep, clock, log }: FileJobsDeps): Job {
  return startJob({
    name: 'storage-sweep',
    everyMs: EVERY_MS,
    log,
    async turn() {
      const removed = await sweep.temporary(KEEP_TEMPORARY_MS);
      if (removed > 0) log.info({ removed }, 'removed what was never put in storage');
      const now = clock();
      const before = new Date(now.getTime() - KEEP_ABANDONED_MS);
      const areMore = [await sweep.leftBehind(now), await sweep.transforms(before, now)];
      await sweep.strayParts(before);
      return areMore.includes(true);
    },
  });
}
