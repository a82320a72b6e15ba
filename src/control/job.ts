import type { Logger } from 'pino';

export interface Job extends AsyncDisposable {
  /** Runs soon rather than at the next turn; many calls make one run. */
  wake(): void;
}

export interface JobOptions {
  readonly name: string;
  readonly everyMs: number;
  readonly log: Logger;
  /** Does one turn. `true`: there is more, go on at once. */
  readonly turn: (signal: AbortSignal) => Promise<boolean>;
}

/** Repeats a turn for as long as the process lives, one at a time. A turn that fails is logged and tried again at the next. */
export function startJob({ name, everyMs, log, turn }: JobOptions): Job {
  const stop = new AbortController();
  let wakeUp: (() => void) | undefined;
  let isWoken = false;

  async function loop(): Promise<void> {
    while (!stop.signal.aborted) {
      isWoken = false;
      const hasMore = await oneTurn();
      if (!hasMore && !isWoken && !stop.signal.aborted) await pause();
    }
  }

  async function oneTurn(): Promise<boolean> {
    try {
      return await turn(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) log.warn({ job: name, error: describeError(error) }, 'a control job failed, trying again');
      return false;
    }
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, everyMs);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function wake(): void {
    isWoken = true;
    wakeUp?.();
  }

  const running = loop();
  return {
    wake,
    async [Symbol.asyncDispose]() {
      stop.abort();
      wake();
      await running;
    },
  };
}

/** What may be logged of an error: its text may quote anything. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? `${error.name} ${error.code}` : error.name;
}
