import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

/** A ledger that nobody goes on with. */
export interface AbandonedTransform {
  readonly tenantId: string;
  /** The root id of its operation. */
  readonly id: string;
}

export interface FileOfTenant {
  readonly tenantId: string;
  readonly fileId: string;
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

  /** Uploads whose time was up before then, and which are still open. */
  async function overdueUploads(before: Date, limit: number): Promise<FileOfTenant[]> {
    return db
      .selectFrom('upload')
      .select(['tenant_id as tenantId', 'id as fileId'])
      .where('state', '=', 'open')
      .where('expires_at', '<', before)
      .orderBy('expires_at')
      .limit(limit)
      .execute();
  }

  /** Files that were deleted, and uploads that were given up, before then, with bytes that may still be there. */
  async function unremoved(before: Date, limit: number): Promise<FileOfTenant[]> {
    const deleted = db
      .selectFrom('file')
      .select(['tenant_id as tenantId', 'id as fileId'])
      .where('state', '=', 'deleted')
      .where(sql<boolean>`(object_name is not null or source is not null or reserved_bytes > 0)`)
      .where('updated_at', '<', before);
    const givenUp = db
      .selectFrom('upload')
      .select(['tenant_id as tenantId', 'id as fileId'])
      .where('state', 'in', ['terminated', 'expired'])
      .where(sql<boolean>`segments <> '[]'`)
      .where('updated_at', '<', before);
    return deleted.union(givenUp).limit(limit).execute();
  }

  return { abandonedTransforms, overdueUploads, unremoved };
}
