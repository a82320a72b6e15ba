import { createFileSweep } from '../../src/activities/files/sweep.ts';
import { startFileJobs } from '../../src/control/files.ts';
import type { FileWorld } from './world.ts';

const DAY_MS = 86_400_000;

/** Sweeps as if it were so many days later; resolves once that is done. */
export async function sweepAfter(world: FileWorld, days: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { deps } = world.core();
  const sweep = createFileSweep(deps);
  await using _jobs = startFileJobs({
    sweep: {
      ...sweep,
      async strayParts(putBefore) {
        await sweep.strayParts(putBefore);
        resolve();
      },
    },
    clock: () => new Date(Date.now() + days * DAY_MS),
    log: deps.log,
  });
  await promise;
}
