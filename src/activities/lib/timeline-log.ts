import type { Logger } from 'pino';
import type { Attempt, TimelineStore } from '../../store/timeline.ts';

const FLUSH_AFTER_MS = 50;
/** With the database away, the newest attempts are kept and the oldest dropped. */
const MAX_WAITING = 10_000;

export interface TimelineLog {
  write(attempt: Attempt): void;
  /** Writes what waits. */
  flush(): Promise<void>;
}

/** Collects timeline entries and writes them a few at a time, so that they cost the activities nothing. */
export function createTimelineLog(store: TimelineStore, log: Logger): TimelineLog {
  let waiting = new Map<string, Attempt>();
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  function write(attempt: Attempt): void {
    waiting.set(attempt.id, attempt);
    if (waiting.size > MAX_WAITING) dropOldest();
    timer ??= setTimeout(() => void flush(), FLUSH_AFTER_MS);
  }

  function dropOldest(): void {
    const [oldest] = waiting.keys();
    if (oldest !== undefined) waiting.delete(oldest);
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    flushing = flushing.then(writeWaiting);
    return flushing;
  }

  async function writeWaiting(): Promise<void> {
    const batch = waiting;
    waiting = new Map();
    const byTenant = Map.groupBy(batch.values(), (attempt) => attempt.tenantId);
    for (const [tenantId, attempts] of byTenant) {
      try {
        await store.write(tenantId, attempts);
      } catch (error) {
        log.warn(
          { tenantId, count: attempts.length, error: error instanceof Error ? error.name : 'unknown' },
          'timeline entries not written, will try again',
        );
        for (const attempt of attempts) if (!waiting.has(attempt.id)) waiting.set(attempt.id, attempt);
      }
    }
    if (waiting.size > 0) timer ??= setTimeout(() => void flush(), 1_000);
  }

  return { write, flush };
}
