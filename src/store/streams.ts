import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { type Databases, withTenant } from './database.ts';
import type { Database } from './schema.ts';

export interface StreamEvent {
  readonly seq: number;
  readonly type: 'step' | 'done';
  readonly data: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
}

export interface StreamRead {
  /** Stored events after the asked one, in order. */
  readonly events: readonly StreamEvent[];
  /** The last value, not stored as an event. */
  readonly progress: Readonly<Record<string, unknown>> | null;
  readonly ended: boolean;
  /** The last stored event's number. */
  readonly seq: number;
}

const CHANNEL = 'nightshift_stream';
/** For so long changes of a stream are told to listeners. */
const WATCH_S = 60;

export function createStreamsStore(databases: Databases) {
  const db: Kysely<Database> = databases.app;

  /** One consistent look: what was stored after `afterSeq`, the last progress, whether more can come. */
  async function read(tenantId: string, streamId: string, afterSeq: number): Promise<StreamRead | undefined> {
    return withTenant(db, tenantId, async (tx) => {
      const stream = await tx
        .selectFrom('stream')
        .selectAll()
        .where('id', '=', streamId)
        .where('tenant_id', '=', tenantId)
        .executeTakeFirst();
      if (stream === undefined) return undefined;
      const rows = await tx
        .selectFrom('stream_event')
        .selectAll()
        .where('stream_id', '=', streamId)
        .where('seq', '>', afterSeq)
        .where('seq', '<=', stream.seq)
        .orderBy('seq')
        .execute();
      const events = rows.map((row) => ({ seq: row.seq, type: row.type, data: row.data, createdAt: row.created_at }));
      return { events, progress: stream.progress, ended: stream.ended, seq: stream.seq };
    });
  }

  /** Replaces the last progress value, of the stream and of its operation. Callers throttle. */
  async function setProgress(tenantId: string, streamId: string, progress: { done: number; total?: number; unit: string }): Promise<void> {
    await withTenant(db, tenantId, async (tx) => {
      const value = JSON.stringify(progress);
      await tx.updateTable('stream').set({ progress: value }).where('id', '=', streamId).execute();
      await tx.updateTable('operation').set({ progress: value }).where('id', '=', streamId).execute();
      await sql`select pg_notify(${CHANNEL}, ${streamId}) from stream where id = ${streamId} and watched_until > clock_timestamp()`.execute(
        tx,
      );
    });
  }

  /** From now on, for a minute, changes of these streams are told to listeners. What came before must be read. */
  async function watch(tenantId: string, streamIds: readonly string[]): Promise<void> {
    await withTenant(db, tenantId, (tx) =>
      tx
        .updateTable('stream')
        .set({ watched_until: sql<Date>`clock_timestamp() + make_interval(secs => ${WATCH_S})` })
        .where('id', 'in', [...streamIds])
        .execute(),
    );
  }

  return { read, setProgress, watch, listen: createListen(databases) };
}

export type StreamsStore = ReturnType<typeof createStreamsStore>;

function createListen(databases: Databases) {
  /**
   * Listens for changed streams on a connection of its own until it is closed. Resolves once it listens.
   * `onEnd` is called once when the connection is lost: what changed meanwhile was not heard.
   */
  async function listen(onChange: (streamId: string) => void, onEnd: () => void): Promise<{ close(): Promise<void> }> {
    const client: pg.Client = databases.listener();
    let ended = false;
    const end = (): void => {
      if (!ended) onEnd();
      ended = true;
    };
    client.on('error', end);
    client.on('end', end);
    client.on('notification', (message) => {
      if (message.payload !== undefined) onChange(message.payload);
    });
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    return {
      async close() {
        ended = true;
        await client.end();
      },
    };
  }

  return listen;
}
