import type { Kysely, Selectable } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { RunRef } from '../../contracts/pure/operations.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Database } from '../schema.ts';
import type { FileTransformChunkTable, FileTransformTable } from './schema.ts';
import type { FileParts } from './uploads.ts';

export type TransformRow = Selectable<FileTransformTable>;
export type TransformChunkRow = Selectable<FileTransformChunkTable>;

/** Which beginning of it, if it was begun anew. */
type TransformOf = Pick<TransformRow, 'tenant_id' | 'id' | 'output_id' | 'fence'>;
type NewChunk = Omit<TransformChunkRow, 'transform_id' | 'tenant_id' | 'done_at'>;

interface OutputOf {
  readonly tenantId: string;
  readonly id: string;
  readonly outputId: string;
}

/** The ledger of transforms: what is in it was done, and is never done again. */
export function createTransformsStore({ db }: Pick<FileParts, 'db'>) {
  /** How the input is read, found out once: the first one stands. False: the transform has ended, or was begun anew. */
  async function setPlan({ tenant_id, id, output_id }: TransformOf, plan: object): Promise<boolean> {
    return withTenant(db, tenant_id, async (tx) => {
      if ((await fenceOf(tx, { id, output_id })) === undefined) return false;
      const row = { plan: JSON.stringify(plan) };
      await tx.updateTable('file_transform').set(row).where('id', '=', id).where('plan', 'is', null).execute();
      return true;
    });
  }

  /**
   * The chunk's part is in storage. Safe to repeat. False: another attempt goes on with the table, or it has ended; who hears that stops. The
   * chunk is kept all the same, if it is the one that belongs there.
   */
  async function finishChunk({ tenant_id, id, output_id, fence }: TransformOf, chunk: NewChunk): Promise<boolean> {
    return withTenant(db, tenant_id, async (tx) => {
      const current = await fenceOf(tx, { id, output_id });
      if (current === undefined) return false;
      await tx
        .insertInto('file_transform_chunk')
        .values({ ...chunk, transform_id: id, tenant_id, done_at: new Date() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const same = await tx
        .selectFrom('file_transform_chunk')
        .select('number')
        .where('transform_id', '=', id)
        .where('number', '=', chunk.number)
        .where('first_byte', '=', chunk.first_byte)
        .where('end_byte', '=', chunk.end_byte)
        .executeTakeFirst();
      return same !== undefined && current === fence;
    });
  }

  /** The ledger is not needed any more. */
  async function forget(run: RunRef): Promise<void> {
    await withTenant(db, run.tenantId, (tx) => tx.deleteFrom('file_transform').where('id', '=', run.rootId).execute());
  }

  /** The same, unless it was begun anew meanwhile. */
  async function forgetOutput({ tenantId, id, outputId }: OutputOf): Promise<void> {
    await withTenant(db, tenantId, (tx) =>
      tx.deleteFrom('file_transform').where('id', '=', id).where('output_id', '=', outputId).execute(),
    );
  }

  /** Whether somebody may go on with this beginning of it. */
  async function isOpen({ tenantId, id, outputId }: OutputOf): Promise<boolean> {
    return withTenant(db, tenantId, async (tx) => {
      const row = tx.selectFrom('file_transform').select('id').where('id', '=', id).where('output_id', '=', outputId);
      return (await row.executeTakeFirst()) !== undefined;
    });
  }

  return { begin: (run: RunRef, digest: string) => begin(db, run, digest), setPlan, finishChunk, forget, forgetOutput, isOpen };
}

/**
 * The transform of this operation's work; made when it is new, and begun anew when its input was edited or it had ended. Gives its chunks in
 * order.
 */
async function begin(
  db: Kysely<Database>,
  run: RunRef,
  digest: string,
): Promise<{ readonly transform: TransformRow; readonly chunks: readonly TransformChunkRow[] }> {
  return withTenant(db, run.tenantId, async (tx) => {
    await tx
      .deleteFrom('file_transform')
      .where('id', '=', run.rootId)
      .where((where) => where.or([where('digest', '<>', digest), where('ended_at', 'is not', null)]))
      .execute();
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
        fence: 0,
        created_at: new Date(run.nowMs),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const transform = await tx
      .updateTable('file_transform')
      .set((row) => ({ fence: row('fence', '+', 1) }))
      .where('id', '=', run.rootId)
      .returningAll()
      .executeTakeFirstOrThrow();
    const chunks = await tx
      .selectFrom('file_transform_chunk')
      .selectAll()
      .where('transform_id', '=', run.rootId)
      .orderBy('number')
      .execute();
    return { transform, chunks };
  });
}

/** Undefined when it has ended. Holds the transform until the transaction ends, so that it can't end meanwhile. */
export async function fenceOf(tx: Tx, { id, output_id }: Pick<TransformRow, 'id' | 'output_id'>): Promise<number | undefined> {
  const found = await tx
    .selectFrom('file_transform')
    .select('fence')
    .where('id', '=', id)
    .where('output_id', '=', output_id)
    .where('ended_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return found?.fence;
}
