import type { Logger } from 'pino';
import type { StreamsStore } from '../store/streams.ts';

const REREAD_EVERY_MS = 5_000;
const RECONNECT_AFTER_MS = 500;

export interface StreamHub {
  /** Calls back when the stream may have changed: also after a lost connection and every 5 s, so that nothing is missed for good. */
  subscribe(streamId: string, onChange: () => void): () => void;
}

export interface RunningStreamHub extends StreamHub, AsyncDisposable {}

/** One LISTEN connection per process, fanned out to whoever follows a stream here. */
export function startStreamHub(streams: StreamsStore, log: Logger): RunningStreamHub {
  const listeners = new Map<string, Set<() => void>>();
  let connection: { close(): Promise<void> } | undefined;
  let isStopped = false;
  let reconnect: NodeJS.Timeout | undefined;

  const notifyAll = (): void => {
    for (const set of listeners.values()) for (const listener of set) listener();
  };
  const reread = setInterval(notifyAll, REREAD_EVERY_MS);

  async function connect(): Promise<void> {
    try {
      const made = await streams.listen((streamId) => {
        for (const listener of listeners.get(streamId) ?? []) listener();
      }, lost);
      if (isStopped) return await made.close();
      connection = made;
      notifyAll();
    } catch {
      lost();
    }
  }

  function lost(): void {
    connection = undefined;
    if (isStopped || reconnect !== undefined) return;
    log.warn('no connection to listen for changed streams, trying again');
    reconnect = setTimeout(() => {
      reconnect = undefined;
      void connect();
    }, RECONNECT_AFTER_MS);
  }

  void connect();
  return {
    subscribe(streamId, onChange) {
      const set = listeners.get(streamId) ?? new Set();
      set.add(onChange);
      listeners.set(streamId, set);
      return () => {
        set.delete(onChange);
        if (set.size === 0) listeners.delete(streamId);
      };
    },
    async [Symbol.asyncDispose]() {
      isStopped = true;
      clearInterval(reread);
      clearTimeout(reconnect);
      await connection?.close();
    },
  };
}
