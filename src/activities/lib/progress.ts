import type { RunRef } from '../../contracts/pure/operations.ts';
import type { StreamsStore } from '../../store/streams.ts';

/** At most four a second, and never before the work has taken that long: short work shows its end only. */
const MIN_INTERVAL_MS = 250;

export interface ProgressReporter {
  /** How much is done. Most calls write nothing. */
  report(done: number): Promise<void>;
}

export function createProgress(
  streams: StreamsStore,
  { tenantId, operationId }: RunRef,
  { total, unit }: { readonly total: number; readonly unit: string },
): ProgressReporter {
  let writtenAt = performance.now();
  return {
    async report(done) {
      if (performance.now() - writtenAt < MIN_INTERVAL_MS) return;
      writtenAt = performance.now();
      await streams.setProgress(tenantId, operationId, { done, total, unit });
    },
  };
}
