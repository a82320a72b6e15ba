import type { Selectable } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { RunRef } from '../../contracts/pure/operations.ts';
import { type Tx, withTenant } from '../database.ts';
import type { FileTransformChunkTable, FileTransformTable } from './schema.ts';
import type { FileParts } from './uploads.ts';

export type TransformRow = Selectable<FileTransformTable>;
export type TransformChunkRow = Selectable<FileTransformChunkTable>;

/** The ledger of transforms: what is in it was done, and is never done again. */
export function createTransformsStore({ db }: Pick<FileParts, 'db'>) {
  /** The transform of this operation's work; made when it is new, and begun anew when its input was edited. Gives its chunks in order. */
  async function begin(
    run: RunRef,
    digest: string,
  ): Promise<{ readonly transform: TransformRow; readonly chunks: readonly TransformChunkRow[] }> {
    return withTenant(db, run.tenantId, async (tx) => {
      await tx.deleteFrom('file_transform').where('id', '=', run.rootId).where('digest', '<>', digest).execute();
      await tx
        .insertInto('file_transform')
        .values({
          id: run.rootId,
          tenant_id: run.tenantId,
          digest,
          output_id: uuidv7(),
          rejects_id: uuidv7(),
          profile_id: uuidv7(),
          page_id: uuidv7(),
          created_at: new Date(run.nowMs),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return read(tx, run.rootId);
    });
  }

  /** How the input is read, found out once. */
  async function setPlan(run: RunRef, plan: object): Promise<void> {
    await withTenant(db, run.tenantId, (tx) =>
      tx
        .updateTable('file_transform')
        .set({ plan: JSON.stringify(plan) })
        .where('id', '=', run.rootId)
        .execute(),
    );
  }

  /** The chunk's part is in storage. Safe to repeat. */
  async function finishChunk(run: RunRef, chunk: Omit<TransformChunkRow, 'transform_id' | 'tenant_id' | 'done_at'>): Promise<void> {
    await withTenant(db, run.tenantId, (tx) =>
      tx
        .insertInto('file_transform_chunk')
        .values({ ...chunk, transform_id: run.rootId, tenant_id: run.tenantId, done_at: new Date() })
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
  }

  /** The ledger is not needed any more. */
  async function forget(run: RunRef): Promise<void> {
    await withTenant(db, run.tenantId, (tx) => tx.deleteFrom('file_transform').where('id', '=', run.rootId).execute());
  }

  return { begin, setPlan, finishChunk, forget };
}

async function read(tx: Tx, id: string) {
  const transform = await tx.selectFrom('file_transform').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const chunks = await tx.selectFrom('file_transform_chunk').selectAll().where('transform_id', '=', id).orderBy('number').execute();
  return { transform, chunks };
}
