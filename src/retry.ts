import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  readonly everyMs: number;
  readonly signal: AbortSignal;
  /** Told of every failure; throws to give up. */
  readonly onFailure: (error: unknown, tries: number) => void;
}

/** Tries until it works or the signal aborts: for the parts of a process that start when an outside party is there. */
export async function retryUntilDone<T>(work: () => Promise<T>, { everyMs, signal, onFailure }: RetryOptions): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      onFailure(error, tries);
      await sleep(everyMs, undefined, { signal });
    }
  }
}
