import type { Kysely } from 'kysely';
import type { FileChecks, FileReason } from '../../contracts/files/file.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import { withTenant } from '../database.ts';
import { insertEvent } from '../new-event.ts';
import type { Database } from '../schema.ts';
import type { FileRow, UploadRow } from './records.ts';
import type { FileParts } from './uploads.ts';

/** A file that an operation has in hand. */
export interface FileInHand {
  readonly file: Omit<FileRow, 'check_ended' | 'received_bytes' | 'upload_expires_at'>;
  readonly upload: UploadRow | undefined;
}

export interface FileRequest {
  readonly run: RunRef;
  readonly fileId: string;
}

export interface StoredBytes {
  /** Null where the bytes are not ours. */
  readonly objectName: string | null;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Verdict {
  readonly mediaType: string;
  readonly reasons: readonly FileReason[];
  readonly checks: FileChecks;
}

/** What the operation that checks a file writes. Each step does nothing once the file is another operation's, or gone. */
export function createProcessingStore({ db }: Pick<FileParts, 'db'>) {
  return {
    take: (request: FileRequest) => take(db, request),
    inHand: (request: FileRequest) => inHand(db, request),
    setStored: (request: FileRequest, stored: StoredBytes) => setStored(db, request, stored),
    settle: (request: FileRequest, verdict: Verdict) => settle(db, request, verdict),
    fail: (request: FileRequest, reason: FileReason) => fail(db, request, reason),
  };
}

/** The file is this operation's from now on. False: it is gone. */
async function take(db: Kysely<Database>, { run, fileId }: FileRequest): Promise<boolean> {
  return withTenant(db, run.tenantId, async (tx) => {
    const taken = await tx
      .updateTable('file')
      .set({ state: 'checking', operation_id: run.operationId, updated_at: new Date(run.nowMs) })
      .where('id', '=', fileId)
      .where('state', 'in', ['checking', 'ready', 'quarantined', 'failed'])
      .where((e) => e.or([e('object_name', 'is not', null), e('source', 'is not', null), e('state', '=', 'checking')]))
      .returning('id')
      .executeTakeFirst();
    return taken !== undefined;
  });
}

/** Undefined when it is no longer this operation's to deal with. */
async function inHand(db: Kysely<Database>, { run, fileId }: FileRequest): Promise<FileInHand | undefined> {
  return withTenant(db, run.tenantId, async (tx) => {
    const file = await tx
      .selectFrom('file')
      .selectAll()
      .where('id', '=', fileId)
      .where('operation_id', '=', run.operationId)
      .where('state', '=', 'checking')
      .executeTakeFirst();
    if (file === undefined) return undefined;
    const upload = await tx.selectFrom('upload').selectAll().where('id', '=', fileId).executeTakeFirst();
    return { file, upload };
  });
}

/** The bytes are an object now. */
async function setStored(
  db: Kysely<Database>,
  { run, fileId }: FileRequest,
  { objectName, sizeBytes, sha256 }: StoredBytes,
): Promise<boolean> {
  return withTenant(db, run.tenantId, async (tx) => {
    const stored = await tx
      .updateTable('file')
      .set({ object_name: objectName, size_bytes: sizeBytes, sha256, updated_at: new Date(run.nowMs) })
      .where('id', '=', fileId)
      .where('operation_id', '=', run.operationId)
      .where('state', '=', 'checking')
      .returning('id')
      .executeTakeFirst();
    return stored !== undefined;
  });
}

/** There is no verdict, since the bytes are not to be had: the file says why. Safe to repeat. */
async function fail(db: Kysely<Database>, { run, fileId }: FileRequest, reason: FileReason): Promise<void> {
  await withTenant(db, run.tenantId, (tx) =>
    tx
      .updateTable('file')
      .set({ state: 'failed', reasons: JSON.stringify([reason]), updated_at: new Date(run.nowMs) })
      .where('id', '=', fileId)
      .where('operation_id', '=', run.operationId)
      .where('state', '=', 'checking')
      .execute(),
  );
}

/** The end of a check, with the event that tells of it. Safe to repeat. */
async function settle(db: Kysely<Database>, { run, fileId }: FileRequest, { mediaType, reasons, checks }: Verdict): Promise<boolean> {
  const state = reasons.length === 0 ? ('ready' as const) : ('quarantined' as const);
  const now = new Date(run.nowMs);
  return withTenant(db, run.tenantId, async (tx) => {
    const settled = await tx
      .updateTable('file')
      .set({ state, media_type: mediaType, reasons: JSON.stringify(reasons), checks: JSON.stringify(checks), updated_at: now })
      .where('id', '=', fileId)
      .where('operation_id', '=', run.operationId)
      .where('state', '=', 'checking')
      .returning(['size_bytes', 'sha256'])
      .executeTakeFirst();
    if (settled === undefined) {
      const file = await tx.selectFrom('file').select(['state', 'operation_id']).where('id', '=', fileId).executeTakeFirst();
      return file?.operation_id === run.operationId && file.state === state;
    }
    const data = { fileId, operationId: run.operationId, mediaType, sizeBytes: settled.size_bytes, sha256: settled.sha256 };
    const why = state === 'ready' ? {} : { reasons: reasons.map(({ code }) => code) };
    await insertEvent(tx, { tenantId: run.tenantId, type: `file.${state}`, operationId: run.operationId, data: { ...data, ...why }, now });
    return true;
  });
}
