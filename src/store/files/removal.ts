import { type Kysely, sql } from 'kysely';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { Actor } from '../audit.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Database } from '../schema.ts';
import { endKeeper, startRemoval } from './keepers.ts';
import { reserve } from './quota.ts';
import type { FileParts } from './uploads.ts';

export interface RemoveRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly actor: Actor;
  readonly now: Date;
}

/** What users have said of a file, or it of itself. */
const EMPTIED = { metadata: '{}', start_fields: '{}', reasons: '[]', columns: null } as const;

/** How an upload stands for the one who keeps its time. */
export type UploadStanding =
  | { readonly state: 'open'; readonly expiresInMs: number }
  | { readonly state: 'complete' | 'terminated' | 'expired' | 'gone' };

/** Ending uploads and files: the row says so at once, the bytes follow by a workflow. */
export function createRemovalStore(parts: FileParts) {
  return {
    remove: (request: RemoveRequest) => remove(parts, request),
    expireIfDue: (ref: FileRef, now: Date) => expireIfDue(parts.db, ref, now),
    doomed: (ref: FileRef) => doomed(parts.db, ref),
    setRemoved: (ref: FileRef) => setRemoved(parts.db, ref),
  };
}

/** A file, or an upload that is still open. False: there is none. */
async function remove({ db, audit, bridge }: FileParts, { tenantId, id, actor, now }: RemoveRequest): Promise<boolean> {
  const removed = await withTenant(db, tenantId, async (tx) => {
    await holdUpload(tx, id);
    const file = await tx
      .selectFrom('file')
      .selectAll()
      .where('id', '=', id)
      .where('state', '<>', 'deleted')
      .forUpdate()
      .executeTakeFirst();
    if (file === undefined) return false;
    const before = { name: file.name, declaredType: file.declared_type, sizeBytes: file.size_bytes, sha256: file.sha256 };
    await tx
      .updateTable('file')
      .set({ state: 'deleted', name: null, declared_type: null, updated_at: now, ...EMPTIED })
      .where('id', '=', id)
      .execute();
    const ended = await tx
      .updateTable('upload')
      .set({ state: 'terminated', metadata: null, updated_at: now })
      .where('id', '=', id)
      .where('state', '=', 'open')
      .returning('id')
      .executeTakeFirst();
    if (ended !== undefined) await endKeeper(tx, { tenantId, fileId: id, kind: 'upload' }, now);
    await startRemoval(tx, { tenantId, fileId: id }, now);
    await audit.record(tx, {
      ...actor,
      tenantId,
      at: now,
      action: 'file.removed',
      target: `file/${id}`,
      ...(file.owner_subject === null ? {} : { subject: file.owner_subject }),
      before,
    });
    return true;
  });
  if (removed) bridge.wake();
  return removed;
}

/** Before its file, in the order of those who write to it: else the two wait for each other. */
async function holdUpload(tx: Tx, id: string): Promise<void> {
  await tx.selectFrom('upload').select('id').where('id', '=', id).forUpdate().execute();
}

/** Whether the time of an upload is up at this moment; if so, it has expired from now on. */
async function expireIfDue(db: Kysely<Database>, { tenantId, fileId }: FileRef, now: Date): Promise<UploadStanding> {
  return withTenant(db, tenantId, async (tx) => {
    const expired = await tx
      .updateTable('upload')
      .set({ state: 'expired', lock: null, updated_at: now })
      .where('id', '=', fileId)
      .where('state', '=', 'open')
      .where('expires_at', '<=', now)
      .where(sql<boolean>`(lock is null or lock_until <= clock_timestamp())`)
      .returning('id')
      .executeTakeFirst();
    if (expired !== undefined) {
      const reasons = JSON.stringify([{ code: 'upload_expired', message: 'No more bytes came in time.' }]);
      await tx.updateTable('file').set({ state: 'failed', reasons, updated_at: now }).where('id', '=', fileId).execute();
      return { state: 'expired' };
    }
    const upload = await tx.selectFrom('upload').select(['state', 'expires_at']).where('id', '=', fileId).executeTakeFirst();
    if (upload === undefined) return { state: 'gone' };
    if (upload.state !== 'open') return { state: upload.state };
    // Somebody is writing although its time is up: he moves the end on.
    return { state: 'open', expiresInMs: Math.max(1_000, upload.expires_at.getTime() - now.getTime()) };
  });
}

/** What is to be removed; undefined when the file is neither deleted nor an upload that was given up. */
async function doomed(
  db: Kysely<Database>,
  { tenantId, fileId }: FileRef,
): Promise<{ readonly objectName: string | null; readonly isOurs: boolean } | undefined> {
  return withTenant(db, tenantId, async (tx) => {
    const file = await tx
      .selectFrom('file')
      .leftJoin('upload', 'upload.id', 'file.id')
      .select(['file.state', 'file.object_name', 'file.source', 'upload.state as upload_state'])
      .where('file.id', '=', fileId)
      .executeTakeFirst();
    if (file === undefined) return undefined;
    const isDoomed = file.state === 'deleted' || file.upload_state === 'expired' || file.upload_state === 'terminated';
    return isDoomed ? { objectName: file.object_name, isOurs: file.source === null } : undefined;
  });
}

/** Its bytes are gone: their room in the quota is free again. Safe to repeat. */
async function setRemoved(db: Kysely<Database>, { tenantId, fileId }: FileRef): Promise<void> {
  await withTenant(db, tenantId, async (tx) => {
    await holdUpload(tx, fileId);
    const file = await tx.selectFrom('file').select('reserved_bytes').where('id', '=', fileId).forUpdate().executeTakeFirst();
    if (file === undefined) return;
    await reserve(tx, { tenantId, id: fileId, deltaBytes: -file.reserved_bytes, quotaBytes: 0 });
    await tx.updateTable('file').set({ object_name: null, source: null, source_etag: null }).where('id', '=', fileId).execute();
    await tx.deleteFrom('upload').where('id', '=', fileId).where('state', 'in', ['complete', 'terminated']).execute();
    // The row of one that expired stays, and says so.
    await tx.updateTable('upload').set({ segments: '[]' }).where('id', '=', fileId).where('state', '=', 'expired').execute();
  });
}
