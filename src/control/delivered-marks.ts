import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Delivered, DispatchStore } from '../store/system/dispatch.ts';

const MARK_AFTER_MS = 50;
const RETRY_AFTER_MS = 250;

export interface DeliveredMarks extends AsyncDisposable {
  add(delivered: Delivered): void;
  /** Marks what waits now. What was delivered before this call is marked when it resolves, unless the database is away. */
  flush(): Promise<void>;
}

export interface MarkOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Messages were marked: the next ones of their workflows may go out. */
  readonly onMessages: () => void;
}

/** Marks rows as delivered, many in one statement. A mark that is lost with the process means that the row is delivered again. */
export function startDeliveredMarks(store: DispatchStore, { clock, log, onMessages }: MarkOptions): DeliveredMarks {
  const waiting: Delivered[] = [];
  let timer: NodeJS.Timeout | undefined;
  let marking: Promise<void> = Promise.resolve();

  function add(delivered: Delivered): void {
    waiting.push(delivered);
    timer ??= setTimeout(() => void flush(), MARK_AFTER_MS);
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    marking = marking.then(mark);
    return marking;
  }

  async function mark(): Promise<void> {
    const batch = waiting.splice(0);
    if (batch.length === 0) return;
    try {
      await store.markDelivered(batch, clock());
    } catch (error) {
      waiting.unshift(...batch);
      timer ??= setTimeout(() => void flush(), RETRY_AFTER_MS);
      log.warn(
        { count: batch.length, error: error instanceof Error ? error.name : 'unknown' },
        'rows not marked as delivered, will try again',
      );
      return;
    }
    if (batch.some(({ outcome }) => outcome === 'delivered' || outcome === 'gone')) onMessages();
  }

  return {
    add,
    flush,
    async [Symbol.asyncDispose]() {
      await flush();
      clearTimeout(timer);
    },
  };
}
