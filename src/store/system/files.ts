import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** A ledger that nobody goes on with. */
export interface AbandonedTransform {
  readonly tenantId: string;
  /** The root id of its operation. */
  readonly id: string;
}

/** Finding what work on files has left; the rest is done as the tenant. */
export function createSystemFilesStore(db: Kysely<Database>) {
  /** Transforms of which every attempt had ended by then, with their ledgers still there. */
  async function abandonedTransforms(endedBefore: Date, limit: number): Promise<AbandonedTransform[]> {
    return db
      .selectFrom('file_transform')
      .select(['file_transform.tenant_id as tenantId', 'file_transform.id'])
      .where('file_transform.created_at', '<', endedBefore)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('operation')
              .select('operation.id')
              .whereRef('operation.tenant_id', '=', 'file_transform.tenant_id')
              .whereRef('operation.root_id', '=', 'file_transform.id')
              .where((where) => where.or([where('finished_at', 'is', null), where('finished_at', '>=', endedBefore)])),
          ),
        ),
      )
      .orderBy('file_transform.id')
      .limit(limit)
      .execute();
  }

  return { abandonedTransforms };
}
