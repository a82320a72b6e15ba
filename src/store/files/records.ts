import { randomBytes } from 'node:crypto';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { FileStateName } from '../../contracts/pure/files.ts';
import { withTenant } from '../database.ts';
import type { PageRequest } from '../operations.ts';
import type { Database } from '../schema.ts';
import type { FileTable, UploadTable } from './schema.ts';

const SECRET_BYTES = 32;

export type UploadRow = Selectable<UploadTable>;

/** A file as it is shown: its state says how the operation stands that checks it. */
export type FileRow = Selectable<FileTable> & {
  /** How the operation ended without a verdict; null while it may still come to one. */
  readonly check_ended: string | null;
  readonly received_bytes: number | null;
  readonly upload_expires_at: Date | null;
};

export interface FileFilter {
  readonly state?: FileStateName | undefined;
  readonly ownerSubject?: string | undefined;
  /** Only these, as `file/{id}`. */
  readonly resources?: readonly string[] | undefined;
}

interface ListRequest {
  readonly tenantId: string;
  readonly filter: FileFilter;
  readonly page: PageRequest;
}

/** Looking files up. A check that was cancelled, terminated or failed leaves the row as it was: its operation tells. */
export function createFileRecords(db: Kysely<Database>) {
  const secrets = new Map<string, Buffer>();

  /** Deleted ones too. */
  async function get(tenantId: string, id: string): Promise<FileRow | undefined> {
    return withTenant(db, tenantId, (tx) => shown(tx).where('file.id', '=', id).executeTakeFirst());
  }

  /** Newest first; without those that are deleted, unless they are asked for. */
  async function list({ tenantId, filter, page }: ListRequest): Promise<FileRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = shown(tx).where('file.tenant_id', '=', tenantId);
      query = filter.state === undefined ? query.where('file.state', '<>', 'deleted') : query.where(SHOWN_STATE, '=', filter.state);
      if (filter.ownerSubject !== undefined) query = query.where('file.owner_subject', '=', filter.ownerSubject);
      if (filter.resources !== undefined) query = query.where(sql<boolean>`'file/' || file.id = any(${[...filter.resources]}::text[])`);
      if (page.cursor !== undefined)
        query = query.where(sql<boolean>`(file.created_at, file.id) < (${page.cursor.createdAt}::timestamptz, ${page.cursor.id}::uuid)`);
      return query.orderBy('file.created_at', 'desc').orderBy('file.id', 'desc').limit(page.limit).execute();
    });
  }

  /** What the tenant's download links are sealed with; made at first use, then kept for good. */
  async function linkSecret(tenantId: string): Promise<Buffer> {
    const known = secrets.get(tenantId);
    if (known !== undefined) return known;
    const { secret } = await withTenant(db, tenantId, async (tx) => {
      await tx
        .insertInto('file_secret')
        .values({ tenant_id: tenantId, secret: randomBytes(SECRET_BYTES), created_at: new Date() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return tx.selectFrom('file_secret').select('secret').where('tenant_id', '=', tenantId).executeTakeFirstOrThrow();
    });
    secrets.set(tenantId, secret);
    return secret;
  }

  /** The same, without making one for a tenant that somebody only names. */
  async function findLinkSecret(tenantId: string): Promise<Buffer | undefined> {
    const found = await withTenant(db, tenantId, (tx) =>
      tx.selectFrom('file_secret').select('secret').where('tenant_id', '=', tenantId).executeTakeFirst(),
    );
    return found?.secret;
  }

  return { get, list, linkSecret, findLinkSecret };
}

const ENDED_WITHOUT_VERDICT = sql<string | null>`case when file.state = 'checking' and operation.status in
  ('failed', 'cancelled', 'expired', 'unknown') then operation.status end`;
const SHOWN_STATE = sql<FileStateName>`case when ${ENDED_WITHOUT_VERDICT} is null then file.state else 'failed' end`;

function shown(tx: Kysely<Database>) {
  return tx
    .selectFrom('file')
    .leftJoin('operation', 'operation.id', 'file.operation_id')
    .leftJoin('upload', 'upload.id', 'file.id')
    .selectAll('file')
    .select([
      SHOWN_STATE.as('state'),
      ENDED_WITHOUT_VERDICT.as('check_ended'),
      'upload.offset_bytes as received_bytes',
      'upload.expires_at as upload_expires_at',
    ]);
}
