import { sql } from 'kysely';
import type { Tx } from '../database.ts';
import { claimIdempotency } from '../idempotency.ts';
import type { NewUpload } from './uploads.ts';

/** What a request whose `Idempotency-Key` was used before is answered by. Undefined: it is the first. */
export type SameRequest =
  | { readonly outcome: 'replayed'; readonly id: string }
  /** The first one is still being received. */
  | { readonly outcome: 'busy' }
  | { readonly outcome: 'mismatch' };

/** Between making an upload and taking its lock. */
const UNLOCKED_SECONDS = 10;

/**
 * Takes the key of a request that makes an upload. Where the whole file comes in one request, one that broke off has made nothing, so the key
 * is taken over from it.
 */
export async function claimUpload(
  tx: Tx,
  request: NewUpload,
  id: string,
): Promise<SameRequest | { readonly outcome: 'first'; readonly abandoned: string | undefined }> {
  const { tenantId, idempotency, now, isOneRequest } = request;
  const used = await claimIdempotency(tx, { tenantId, idempotency, object: { type: 'file', id }, now });
  if (used === undefined) return { outcome: 'first', abandoned: undefined };
  if (used.outcome === 'mismatch') return used;
  if (!isOneRequest) return { outcome: 'replayed', id: used.objectId };
  const standing = await standingOf(tx, used.objectId);
  if (standing !== 'abandoned') return standing === 'busy' ? { outcome: 'busy' } : { outcome: 'replayed', id: used.objectId };
  const taken = await tx
    .updateTable('idempotency')
    .set({ object_id: id, created_at: now })
    .where('tenant_id', '=', tenantId)
    .where('key', '=', idempotency?.key ?? '')
    .where('object_id', '=', used.objectId)
    .returning('key')
    .executeTakeFirst();
  return taken === undefined ? { outcome: 'busy' } : { outcome: 'first', abandoned: used.objectId };
}

async function standingOf(tx: Tx, id: string): Promise<'complete' | 'busy' | 'abandoned'> {
  const file = await tx
    .selectFrom('file')
    .leftJoin('upload', 'upload.id', 'file.id')
    .select(['file.operation_id', 'upload.state'])
    .select(
      sql<boolean>`coalesce(upload.lock_until, upload.created_at + make_interval(secs => ${UNLOCKED_SECONDS})) > clock_timestamp()`.as(
        'is_held',
      ),
    )
    .where('file.id', '=', id)
    .executeTakeFirst();
  if (file?.operation_id != null) return 'complete';
  return file?.state === 'open' && file.is_held ? 'busy' : 'abandoned';
}
