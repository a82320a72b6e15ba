export interface Latch {
  raise(): void;
  /** Returns at once when raised since the last wait, else when raised, when the time is over, or when the signal aborts. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** Many notices while nobody waits become one. */
export function createLatch(): Latch {
  let isRaised = false;
  let wake: (() => void) | undefined;
  return {
    raise() {
      isRaised = true;
      wake?.();
    },
    async wait(timeoutMs, signal) {
      if (!isRaised && !signal.aborted && timeoutMs > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, timeoutMs);
        const onAbort = (): void => resolve();
        signal.addEventListener('abort', onAbort);
        wake = resolve;
        await promise;
        wake = undefined;
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      }
      isRaised = false;
    },
  };
}
