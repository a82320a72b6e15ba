import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

export interface EventPositionsStore {
  /** Gives positions to up to `limit` committed events that have none. Returns how many; 0 also while another process does it. */
  assign(limit: number): Promise<number>;
}

/**
 * Positions are given after the commit of the events, in one transaction at a time (the counter's row lock), and seen all at once: who
 * has read up to a position will never find a smaller one appear later.
 */
export function createEventPositionsStore(db: Kysely<Database>): EventPositionsStore {
  return {
    async assign(limit) {
      return db.transaction().execute(async (tx) => {
        const counter = await tx.selectFrom('event_position').select('position').forUpdate().skipLocked().executeTakeFirst();
        if (counter === undefined) return 0;
        const { rows } = await sql<{ count: number }>`
          with fresh as (
            select id, row_number() over (order by created_at, id) as turn from event where position is null order by created_at, id limit ${limit}
          ), given as (
            update event set position = ${counter.position}::bigint + fresh.turn from fresh where event.id = fresh.id returning 1
          ) select count(*)::int as count from given`.execute(tx);
        const count = rows[0]?.count ?? 0;
        if (count > 0)
          await tx
            .updateTable('event_position')
            .set({ position: counter.position + count })
            .execute();
        return count;
      });
    },
  };
}
