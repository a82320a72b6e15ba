import type { Kysely, Selectable } from 'kysely';
import { withTenant } from './database.ts';
import type { Database } from './schema.ts';

export type EventRow = Selectable<Database['event']> & { readonly position: number };

export interface EventQuery {
  /** Exclusive; 0 for all. */
  readonly after: number;
  readonly type?: string | undefined;
  readonly limit: number;
}

export function createEventsStore(db: Kysely<Database>) {
  /** Events in the order of their positions, which is the order in which readers can rely on having missed none. */
  async function list(tenantId: string, { after, type, limit }: EventQuery): Promise<EventRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('event').selectAll().where('tenant_id', '=', tenantId).where('position', '>', after);
      if (type !== undefined) query = query.where('type', '=', type);
      return query.orderBy('position').limit(limit).$narrowType<{ position: number }>().execute();
    });
  }

  return { list };
}
