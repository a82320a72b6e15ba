import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** How long to go on trying. Default: 10 s. */
  readonly timeoutMs?: number;
  /** Pause between two tries. Default: 20 ms. */
  readonly intervalMs?: number;
}

/**
 * Calls `check` until it neither throws nor returns false or undefined, and returns what it returned. Use it instead of a fixed sleep.
 * @throws the last error of `check`, or one that says how long was waited.
 */
export async function eventually<Value>(
  check: () => Promise<Value> | Value,
  { timeoutMs = 10_000, intervalMs = 20 }: EventuallyOptions = {},
): Promise<Exclude<Value, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await check();
      if (value !== false && value !== undefined) return value as Exclude<Value, false | undefined>; // just compared with both
      failure = new Error(`still ${String(value)}`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw new Error(`Did not come true within ${timeoutMs} ms.`, { cause: failure });
    await sleep(intervalMs);
  }
}
