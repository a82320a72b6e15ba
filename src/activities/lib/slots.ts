/** How much of the machine the work of a process may use at once: one slot a core. */
export interface Slots {
  /**
   * Runs `work` when so many slots are free; first come, first served. More than there are at all means all. Callers heartbeat while they wait.
   * @throws the signal's reason when it aborts before the turn comes
   */
  use<T>(weight: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  readonly weight: number;
  readonly enter: () => void;
}

/**
 * One for a process, whatever queues it serves: each queue has activity slots of its own, and all of them together would start more than
 * there are cores for.
 */
export function createSlots(total: number): Slots {
  const waiting: Waiting[] = [];
  let free = total;

  function enterNext(): void {
    for (let next = waiting[0]; next !== undefined && next.weight <= free; next = waiting[0]) {
      waiting.shift();
      free -= next.weight;
      next.enter();
    }
  }

  function enter(weight: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry: Waiting = { weight, enter: done };
    const giveUp = (): void => {
      waiting.splice(waiting.indexOf(entry), 1);
      reject(signal.reason);
      // What stood behind it may be smaller.
      enterNext();
    };
    function done(): void {
      signal.removeEventListener('abort', giveUp);
      resolve();
    }
    signal.addEventListener('abort', giveUp, { once: true });
    waiting.push(entry);
    enterNext();
    return promise;
  }

  return {
    async use(wanted, signal, work) {
      signal.throwIfAborted();
      const weight = Math.min(wanted, total);
      await enter(weight, signal);
      try {
        return await work();
      } finally {
        free += weight;
        enterNext();
      }
    },
  };
}
