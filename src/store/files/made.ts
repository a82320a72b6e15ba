import type { RunRef } from '../../contracts/pure/operations.ts';
import { type Tx, withTenant } from '../database.ts';
import { insertEvent } from '../new-event.ts';
import { QuotaError, reserve } from './quota.ts';
import type { FileColumn } from './schema.ts';
import { fenceOf } from './transforms.ts';
import type { FileParts } from './uploads.ts';

/** A file that a transform has made. */
export interface MadeFile {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly objectName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Of a table. */
  readonly columns?: readonly FileColumn[] | undefined;
}

export interface PublishRequest {
  readonly run: RunRef;
  readonly files: readonly MadeFile[];
  /** Of the file that was transformed; the new ones are the same user's. */
  readonly ownerSubject: string | null;
  readonly quotaBytes: number;
}

/** `overtaken`: the transform has ended, or was begun anew, while this attempt stood still. */
export type Published = 'published' | 'quota_exceeded' | 'overtaken';

/** Files that were made here, not uploaded. */
export function createMadeFilesStore({ db, audit }: Pick<FileParts, 'db' | 'audit'>) {
  /** Makes all files of a transform visible at once, with the event that tells of the first. Safe to repeat. */
  async function publish({ run, files, ownerSubject, quotaBytes }: PublishRequest): Promise<Published> {
    const now = new Date(run.nowMs);
    try {
      return await withTenant(db, run.tenantId, async (tx) => {
        if ((await fenceOf(tx, { id: run.rootId, output_id: files[0]?.id ?? '' })) === undefined) return 'overtaken';
        for (const [index, file] of files.entries()) {
          const isNew = await insertFile(tx, { run, file, ownerSubject, now });
          if (!isNew) continue;
          const isThereRoom = await reserve(tx, { tenantId: run.tenantId, id: file.id, deltaBytes: file.sizeBytes, quotaBytes });
          if (!isThereRoom) throw new QuotaError();
          await audit.record(tx, { actor: 'workflow', tenantId: run.tenantId, at: now, action: 'file.made', target: `file/${file.id}` });
          if (index > 0) continue;
          const { id: fileId, mediaType, sizeBytes, sha256 } = file;
          const data = { fileId, operationId: run.operationId, mediaType, sizeBytes, sha256 };
          await insertEvent(tx, { tenantId: run.tenantId, type: 'file.ready', operationId: run.operationId, data, now });
        }
        return 'published';
      });
    } catch (error) {
      if (error instanceof QuotaError) return 'quota_exceeded';
      throw error;
    }
  }

  /** The work ended otherwise: files that it had made already are gone again. Gives the ids of all that it might have made. */
  async function withdraw({ tenantId, rootId: id, nowMs }: RunRef): Promise<readonly string[]> {
    return withTenant(db, tenantId, async (tx) => (await end(tx, { tenantId, id, now: new Date(nowMs) }))?.fileIds ?? []);
  }

  /** The same for work that nobody goes on with: every attempt had ended by then. Undefined: somebody does. */
  async function abandon({ endedBefore, ...ending }: AbandonRequest): Promise<EndedTransform | undefined> {
    return withTenant(db, ending.tenantId, async (tx) => {
      await tx.selectFrom('file_transform').select('id').where('id', '=', ending.id).forUpdate().execute();
      const goingOn = await tx
        .selectFrom('operation')
        .select('id')
        .where('root_id', '=', ending.id)
        .where((where) => where.or([where('finished_at', 'is', null), where('finished_at', '>=', endedBefore)]))
        .executeTakeFirst();
      return goingOn === undefined ? end(tx, ending) : undefined;
    });
  }

  /** Of a table; undefined when it is not known, or the file is gone. */
  async function columnsOf(tenantId: string, fileId: string): Promise<readonly FileColumn[] | undefined> {
    const file = await withTenant(db, tenantId, (tx) =>
      tx.selectFrom('file').select('columns').where('id', '=', fileId).executeTakeFirst(),
    );
    return file?.columns ?? undefined;
  }

  return { publish, withdraw, abandon, columnsOf };
}

interface Ending {
  readonly tenantId: string;
  /** The root id of the operation. */
  readonly id: string;
  readonly now: Date;
}

export interface AbandonRequest extends Ending {
  readonly endedBefore: Date;
}

/** What may still lie in storage. */
export interface EndedTransform {
  readonly outputId: string;
  readonly fileIds: readonly string[];
}

/** From now on nothing is added to it, and what it has shown is gone again. Undefined: there is none. */
async function end(tx: Tx, { tenantId, id, now }: Ending): Promise<EndedTransform | undefined> {
  const row = await tx.updateTable('file_transform').set({ ended_at: now }).where('id', '=', id).returningAll().executeTakeFirst();
  if (row === undefined) return undefined;
  const fileIds = [row.output_id, row.rejects_id, row.profile_id, row.page_id];
  const made = await tx
    .updateTable('file')
    .set({ state: 'deleted', name: null, declared_type: null, object_name: null, columns: null, metadata: '{}', updated_at: now })
    .where('id', 'in', fileIds)
    .where('state', '<>', 'deleted')
    .returning(['id', 'reserved_bytes'])
    .execute();
  for (const { id: fileId, reserved_bytes: reserved } of made)
    await reserve(tx, { tenantId, id: fileId, deltaBytes: -reserved, quotaBytes: 0 });
  return { outputId: row.output_id, fileIds };
}

interface NewRow {
  readonly run: RunRef;
  readonly file: MadeFile;
  readonly ownerSubject: string | null;
  readonly now: Date;
}

async function insertFile(tx: Tx, { run, file, ownerSubject, now }: NewRow): Promise<boolean> {
  const inserted = await tx
    .insertInto('file')
    .values({
      id: file.id,
      tenant_id: run.tenantId,
      state: 'ready',
      name: file.name,
      declared_type: null,
      media_type: file.mediaType,
      size_bytes: file.sizeBytes,
      sha256: file.sha256,
      object_name: file.objectName,
      source: null,
      checks: JSON.stringify({ antivirus: { state: 'not_scanned', engine: 'made here' } }),
      columns: file.columns === undefined ? null : JSON.stringify(file.columns),
      owner_subject: ownerSubject,
      created_by: 'workflow',
      metadata: '{}',
      start_fields: '{}',
      operation_id: run.operationId,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}
