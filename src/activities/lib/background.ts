import type { Logger } from 'pino';

/** Work that its activity did not wait for: an answer that comes later than a step may take. */
export interface Background {
  keep(work: Promise<unknown>): void;
  /** Waits for what is under way, but not longer than this. What is cut off is found out by the next attempt. */
  settled(limitMs: number): Promise<void>;
}

export function createBackground(log: Logger): Background {
  const underWay = new Set<Promise<unknown>>();
  return {
    keep(work) {
      const kept = work
        .catch((error: unknown) => log.warn({ error: error instanceof Error ? error.name : 'unknown' }, 'work in the background failed'))
        .finally(() => underWay.delete(kept));
      underWay.add(kept);
    },
    async settled(limitMs) {
      if (underWay.size === 0) return;
      const limit = Promise.withResolvers<void>();
      const timer = setTimeout(limit.resolve, limitMs);
      await Promise.race([Promise.all(underWay), limit.promise]);
      clearTimeout(timer);
    },
  };
}
