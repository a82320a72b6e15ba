import type { Selectable } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { Refund } from '../../adapters/payments.ts';
import type { RefundState } from '../../contracts/checkout/orders.ts';
import { refundOfKey } from '../../contracts/pure/checkout.ts';
import type { Tx } from '../database.ts';
import type { Database } from '../schema.ts';

export type RefundRow = Selectable<Database['payment_refund']>;

export interface RefundReading {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
  readonly refund: Refund;
}

/** What the provider says of a refund, in the row that waits for it or a new one. What is final stays. */
export async function upsertRefund(tx: Tx, { refund, orderId, tenantId, now }: RefundReading): Promise<RefundRow> {
  const ours = refundOfKey(refund.key, orderId);
  const found = await rowOf(tx, { refund, orderId, refundId: ours.cause === 'asked' ? ours.refundId : undefined });
  const state = refundStateOf(refund);
  const failure_reason = refund.failureReason ?? null;
  if (found === undefined) {
    return tx
      .insertInto('payment_refund')
      .values({
        id: uuidv7(),
        tenant_id: tenantId,
        order_id: orderId,
        provider_id: refund.id,
        amount: refund.money.amount,
        state,
        // What was asked for here has had its row since then, so the key is a copy.
        cause: ours.cause === 'asked' ? 'outside' : ours.cause,
        reason: null,
        failure_reason,
        created_at: now,
        updated_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
  }
  // What has failed at the provider stays so: it takes a success back, never a failure.
  const hasFailed = found.provider_id !== null && (found.state === 'failed' || found.state === 'cancelled');
  const next = hasFailed ? found.state : later(found.state, state);
  return tx
    .updateTable('payment_refund')
    .set({ provider_id: refund.id, state: next, failure_reason: failure_reason ?? found.failure_reason, updated_at: now })
    .where('id', '=', found.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

interface RefundNamed {
  readonly refund: Refund;
  readonly orderId: string;
  /** As its key says, which anybody may have written. */
  readonly refundId: string | undefined;
}

/** The row that is for it already, or the one of this order that waits for what was asked. */
async function rowOf(tx: Tx, { refund, orderId, refundId }: RefundNamed): Promise<RefundRow | undefined> {
  const rows = tx.selectFrom('payment_refund').selectAll().forUpdate();
  const known = await rows.where('provider_id', '=', refund.id).executeTakeFirst();
  if (known !== undefined || refundId === undefined) return known;
  return rows.where('id', '=', refundId).where('order_id', '=', orderId).where('provider_id', 'is', null).executeTakeFirst();
}

function refundStateOf({ status }: Refund): RefundState {
  return status === 'other' ? 'unknown' : status;
}

function later(known: RefundState, read: RefundState): RefundState {
  return known === 'succeeded' && read === 'pending' ? known : read;
}
