import type { Kysely } from 'kysely';
import { callFunction } from '../database.ts';
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
      const [row] = await callFunction<{ assign_event_positions: number }>(db, 'assign_event_positions', limit);
      return row?.assign_event_positions ?? 0;
    },
  };
}
