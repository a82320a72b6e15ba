import type { Kysely, Selectable } from 'kysely';
import { callFunction, withTenant } from './database.ts';
import type { Database } from './schema.ts';

export type TimelineRow = Selectable<Database['timeline']>;

/** One attempt at one activity. Written when it starts and again when it ends; `id` makes the second write find the first. */
export interface Attempt {
  readonly id: string;
  readonly tenantId: string;
  readonly operationId: string;
  readonly runId: string;
  readonly activityId: string;
  readonly activity: string;
  readonly attempt: number;
  readonly startedAt: Date;
  readonly finishedAt?: Date;
  readonly outcome?: 'succeeded' | 'failed' | 'cancelled';
  readonly error?: { readonly type: string; readonly message: string };
}

export function createTimelineStore(db: Kysely<Database>) {
  /** Inserts or completes attempts, all of one tenant. */
  async function write(tenantId: string, attempts: readonly Attempt[]): Promise<void> {
    await callFunction(db, 'write_timeline', JSON.stringify({ tenantId, attempts }));
  }

  async function list(tenantId: string, operationId: string): Promise<TimelineRow[]> {
    return withTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('timeline')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .where('operation_id', '=', operationId)
        .orderBy('started_at')
        .orderBy('id')
        .execute(),
    );
  }

  return { write, list };
}

export type TimelineStore = ReturnType<typeof createTimelineStore>;
