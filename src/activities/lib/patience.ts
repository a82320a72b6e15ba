/** How long a step waits for an outside party, when what it has begun must not be broken off for the step's sake. */
export interface Patience {
  /** Aborted when the step is cancelled, and when its time is up before anything irrevocable has begun. */
  readonly signal: AbortSignal;
  /** From now on the work is brought to its end, however long that takes. */
  begun(): void;
  /** What the work gives, or undefined when the time is up first: then it goes on by itself. */
  outlast<T>(work: Promise<T>): Promise<T | undefined>;
  /** The step waits for the rest, which is short. False when its time is up already. */
  isInTime(): boolean;
  stop(): void;
}

export function createPatience(limitMs: number, cancelled: AbortSignal): Patience {
  const tooLong = new AbortController();
  const over = Promise.withResolvers<undefined>();
  let hasBegun = false;
  let isOver = false;
  const onCancel = (): void => tooLong.abort(cancelled.reason);
  if (cancelled.aborted) onCancel();
  else cancelled.addEventListener('abort', onCancel, { once: true });
  const timer = setTimeout(() => {
    isOver = true;
    if (hasBegun) over.resolve(undefined);
    // A reason of its own: the default one is an error with its stack.
    else tooLong.abort('too long');
  }, limitMs);
  return {
    signal: tooLong.signal,
    begun() {
      hasBegun = true;
    },
    outlast: (work) => Promise.race([work, over.promise]),
    isInTime() {
      if (!isOver) clearTimeout(timer);
      return !isOver;
    },
    stop() {
      clearTimeout(timer);
      cancelled.removeEventListener('abort', onCancel);
    },
  };
}
