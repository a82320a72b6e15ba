import { type Insertable, type Kysely, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { DispatchBridge } from '../../contracts/bridge.ts';
import type { Actor, AuditStore } from '../audit.ts';
import { withTenant } from '../database.ts';
import type { Idempotency, OperationsStore, StartFieldValues } from '../operations.ts';
import type { Database } from '../schema.ts';
import type { FileTable, UploadTable } from './schema.ts';
import { startKeeper } from './keepers.ts';
import { createLocksStore } from './locks.ts';
import { QuotaError, reserve } from './quota.ts';
import type { UploadRow } from './records.ts';
import { claimUpload, type SameRequest } from './same-request.ts';

export interface FileParts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
  readonly bridge: DispatchBridge;
  readonly operations: Pick<OperationsStore, 'accept' | 'acceptIn'>;
}

export interface NewUpload {
  readonly tenantId: string;
  readonly name: string | undefined;
  readonly declaredType: string | undefined;
  /** Undefined while the client does not know it. */
  readonly lengthBytes: number | undefined;
  /** `Upload-Metadata` as it came. */
  readonly metadata: string | undefined;
  /** Fields of the operation that checks it. */
  readonly start: StartFieldValues;
  readonly ownerSubject: string | undefined;
  readonly actor: Actor;
  readonly idempotency: Idempotency | undefined;
  /** The file comes in the request that makes it, or not at all. */
  readonly isOneRequest: boolean;
  readonly quotaBytes: number;
  readonly expiresAt: Date;
  readonly now: Date;
}

/** Leases are measured by the clock of the database. */
export type UploadLook = UploadRow & { readonly is_lock_over: boolean };

export type CreatedUpload =
  /** `abandoned`: what an earlier request with the same key has left, which nobody goes on with. */
  | { readonly outcome: 'created'; readonly upload: UploadRow; readonly abandoned: string | undefined }
  | { readonly outcome: 'quota_exceeded' }
  | SameRequest;

/** Uploads under way. */
export function createUploadsStore(parts: FileParts) {
  return {
    create: (request: NewUpload) => create(parts, request),
    get: (tenantId: string, id: string) => get(parts.db, tenantId, id),
    ...createLocksStore(parts),
  };
}

/** The file, its upload, and whoever keeps its time; once for an `Idempotency-Key`. */
async function create({ db, audit }: FileParts, request: NewUpload): Promise<CreatedUpload> {
  const { tenantId, now, lengthBytes, quotaBytes } = request;
  const id = uuidv7();
  const stored = withTenant(db, tenantId, async (tx): Promise<CreatedUpload> => {
    const claimed = await claimUpload(tx, request, id);
    if (claimed.outcome !== 'first') return claimed;
    await tx.insertInto('file').values(fileOf(id, request)).execute();
    if (!(await reserve(tx, { tenantId, id, deltaBytes: lengthBytes ?? 0, quotaBytes }))) throw new QuotaError();
    const upload = await tx.insertInto('upload').values(uploadOf(id, request)).returningAll().executeTakeFirstOrThrow();
    await startKeeper(tx, { tenantId, fileId: id }, now);
    await audit.record(tx, {
      ...request.actor,
      tenantId,
      at: now,
      action: 'file.created',
      target: `file/${id}`,
      ...(request.ownerSubject === undefined ? {} : { subject: request.ownerSubject }),
      after: { name: request.name, declaredType: request.declaredType, lengthBytes },
    });
    return { outcome: 'created', upload, abandoned: claimed.abandoned };
  });
  return stored.catch((error: unknown): CreatedUpload => {
    if (error instanceof QuotaError) return { outcome: 'quota_exceeded' };
    throw error;
  });
}

function fileOf(id: string, request: NewUpload): Insertable<FileTable> {
  return {
    id,
    tenant_id: request.tenantId,
    state: 'uploading',
    name: request.name ?? null,
    declared_type: request.declaredType ?? null,
    media_type: null,
    size_bytes: request.lengthBytes ?? null,
    sha256: null,
    object_name: null,
    source: null,
    owner_subject: request.ownerSubject ?? null,
    created_by: request.actor.actor,
    metadata: JSON.stringify(request.start.metadata ?? {}),
    start_fields: JSON.stringify(request.start),
    operation_id: null,
    created_at: request.now,
    updated_at: request.now,
  };
}

function uploadOf(id: string, request: NewUpload): Insertable<UploadTable> {
  return {
    id,
    tenant_id: request.tenantId,
    state: 'open',
    length_bytes: request.lengthBytes ?? null,
    metadata: request.metadata ?? null,
    lock: null,
    lock_until: null,
    sha256: null,
    expires_at: request.expiresAt,
    created_at: request.now,
    updated_at: request.now,
  };
}

async function get(db: Kysely<Database>, tenantId: string, id: string): Promise<UploadLook | undefined> {
  return withTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('upload')
      .selectAll()
      .select(sql<boolean>`coalesce(lock_until <= clock_timestamp(), true)`.as('is_lock_over'))
      .where('id', '=', id)
      .executeTakeFirst(),
  );
}
