import type { Logger } from 'pino';
import type { StreamsStore } from '../store/streams.ts';

const REREAD_EVERY_MS = 5_000;
const RECONNECT_AFTER_MS = 500;
/** Well within the minute for which a stream is watched. */
const WATCH_AGAIN_MS = 20_000;

export interface StreamHub {
  /** Calls back when the stream may have changed: also after a lost connection and every 5 s, so that nothing is missed for good. */
  subscribe(stream: StreamRef, onChange: () => void): () => void;
}

export interface StreamRef {
  readonly tenantId: string;
  readonly id: string;
}

export interface RunningStreamHub extends StreamHub, AsyncDisposable {}

/** One LISTEN connection per process, fanned out to whoever follows a stream here. */
export function startStreamHub(streams: StreamsStore, log: Logger): RunningStreamHub {
  const followers = createFollowers(streams);
  let connection: { close(): Promise<void> } | undefined;
  let isStopped = false;
  let reconnect: NodeJS.Timeout | undefined;

  const timers = [setInterval(followers.tellAll, REREAD_EVERY_MS), setInterval(followers.watchAll, WATCH_AGAIN_MS)];

  async function connect(): Promise<void> {
    try {
      const made = await streams.listen(followers.tell, lost);
      if (isStopped) return await made.close();
      connection = made;
      followers.tellAll();
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
    subscribe: followers.subscribe,
    async [Symbol.asyncDispose]() {
      isStopped = true;
      for (const timer of timers) clearInterval(timer);
      clearTimeout(reconnect);
      await connection?.close();
    },
  };
}

/** Who follows what in this process. Only streams that somebody follows are told of. */
function createFollowers(streams: StreamsStore) {
  const followed = new Map<string, { readonly tenantId: string; readonly onChange: Set<() => void> }>();

  function tell(streamId: string): void {
    for (const listener of followed.get(streamId)?.onChange ?? []) listener();
  }

  function tellAll(): void {
    for (const streamId of followed.keys()) tell(streamId);
  }

  /** Changes made before this is committed were told to nobody, so the listeners look once more. */
  async function watch(tenantId: string, streamIds: readonly string[]): Promise<void> {
    // With the database away, the next re-read finds what was missed, and the next turn watches again.
    await streams.watch(tenantId, streamIds).then(
      () => streamIds.forEach(tell),
      () => undefined,
    );
  }

  function watchAll(): void {
    const byTenant = Map.groupBy(followed, ([, { tenantId }]) => tenantId);
    for (const [tenantId, entries] of byTenant) {
      const ids = entries.map(([streamId]) => streamId);
      void watch(tenantId, ids);
    }
  }

  function subscribe({ tenantId, id }: StreamRef, onChange: () => void): () => void {
    const known = followed.get(id);
    const subscribed = known ?? { tenantId, onChange: new Set() };
    subscribed.onChange.add(onChange);
    followed.set(id, subscribed);
    if (known === undefined) void watch(tenantId, [id]);
    return () => {
      subscribed.onChange.delete(onChange);
      if (subscribed.onChange.size === 0) followed.delete(id);
    };
  }

  return { tell, tellAll, watchAll, subscribe };
}
