import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Delivered, DispatchStore } from '../store/system/dispatch.ts';
import { startJob } from './job.ts';

const MARK_EVERY_MS = 25;

export interface DeliveredMarks extends AsyncDisposable {
  add(delivered: Delivered): void;
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

  async function turn(): Promise<boolean> {
    const batch = waiting.splice(0);
    try {
      await store.markDelivered(batch, clock());
    } catch (error) {
      waiting.unshift(...batch);
      throw error;
    }
    if (batch.some(({ outcome }) => outcome === 'delivered' || outcome === 'gone')) onMessages();
    return false;
  }

  const job = startJob({ name: 'mark-delivered', everyMs: MARK_EVERY_MS, log, turn });
  return {
    add(delivered) {
      waiting.push(delivered);
    },
    async [Symbol.asyncDispose]() {
      await job[Symbol.asyncDispose]();
      await turn().catch(() => undefined);
    },
  };
}
