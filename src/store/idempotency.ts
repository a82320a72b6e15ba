import type { Tx } from './database.ts';
import type { Idempotency } from './operations.ts';

interface Claim {
  readonly tenantId: string;
  readonly idempotency: Idempotency | undefined;
  /** What the request makes, if it is the first with its key. */
  readonly object: { readonly type: string; readonly id: string };
  readonly now: Date;
}

export type IdempotencyUse = { readonly outcome: 'replayed'; readonly objectId: string } | { readonly outcome: 'mismatch' };

/** Takes the idempotency key of a request, or tells what it was taken for. Undefined: go on. */
export async function claimIdempotency(tx: Tx, { tenantId, idempotency, object, now }: Claim): Promise<IdempotencyUse | undefined> {
  if (idempotency === undefined) return undefined;
  const claimed = await tx
    .insertInto('idempotency')
    .values({ tenant_id: tenantId, ...idempotency, status: 201, object_type: object.type, object_id: object.id, created_at: now })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'key']).doNothing())
    .returning('key')
    .executeTakeFirst();
  if (claimed !== undefined) return undefined;
  const first = await tx
    .selectFrom('idempotency')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('key', '=', idempotency.key)
    .executeTakeFirstOrThrow();
  return first.digest === idempotency.digest ? { outcome: 'replayed', objectId: first.object_id } : { outcome: 'mismatch' };
}
