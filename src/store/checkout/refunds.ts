import { type Kysely, sql } from 'kysely';
import type { RefundState } from '../../contracts/checkout/orders.ts';
import { fractionProblem } from '../../contracts/currencies.ts';
import { type Tx, withTenant } from '../database.ts';
import type { PageRequest } from '../operations.ts';
import type { Database } from '../schema.ts';
import type { OrderRow } from './merge.ts';
import { giveUpAbandoned } from './given-up.ts';
import { lockOrder, settleReserved } from './payments.ts';
import type { RefundRow } from './refund-rows.ts';
import { hasReason, REFUND_ABANDONED } from './stuck.ts';

export interface RefundRequest {
  readonly tenantId: string;
  readonly orderId: string;
  /** The first operation that asks for it. */
  readonly id: string;
  /** All that is left when undefined. */
  readonly amount: number | undefined;
  readonly reason: string | undefined;
  readonly now: Date;
}

export type Reserved =
  | { readonly outcome: 'reserved'; readonly refund: RefundRow; readonly order: OrderRow }
  | { readonly outcome: 'too_large'; readonly leftAmount: number; readonly order: OrderRow }
  | { readonly outcome: 'no_order' }
  /** In a fraction that the currency does not have. */
  | { readonly outcome: 'odd_amount'; readonly order: OrderRow };

/** Refunds of one tenant. What has been asked for counts against what is left until it has failed. */
export function createRefundsStore(db: Kysely<Database>) {
  function get(tenantId: string, id: string): Promise<RefundRow | undefined> {
    return withTenant(db, tenantId, (tx) => tx.selectFrom('payment_refund').selectAll().where('id', '=', id).executeTakeFirst());
  }

  /** Newest first. */
  function list(tenantId: string, orderId: string, page: PageRequest): Promise<RefundRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('payment_refund').selectAll().where('order_id', '=', orderId);
      if (page.cursor !== undefined)
        query = query.where(sql<boolean>`(created_at, id) < (${page.cursor.createdAt}::timestamptz, ${page.cursor.id}::uuid)`);
      return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
    });
  }

  /** A refund that is not at the provider has ended there. */
  async function settle(
    tenantId: string,
    id: string,
    ending: { readonly state: RefundState; readonly failureReason?: string; readonly now: Date },
  ) {
    await withTenant(db, tenantId, async (tx) => {
      const refund = await tx.selectFrom('payment_refund').select('order_id').where('id', '=', id).executeTakeFirst();
      const order = refund === undefined ? undefined : await lockOrder(tx, refund.order_id);
      await tx
        .updateTable('payment_refund')
        .set({ state: ending.state, failure_reason: ending.failureReason ?? null, updated_at: ending.now })
        .where('id', '=', id)
        .where('provider_id', 'is', null)
        .execute();
      if (order !== undefined && hasReason(order, REFUND_ABANDONED)) await settleReserved(tx, order, ending.now);
    });
  }

  /**
   * Gives up what is put aside for refunds whose work has ended before the provider was told of them. Where it may have been told, the
   * order is a person’s to look at.
   */
  async function settleAbandoned({
    tenantId,
    orderId,
    now,
  }: Pick<RefundRequest, 'tenantId' | 'orderId' | 'now'>): Promise<'settled' | 'stuck'> {
    return withTenant(db, tenantId, async (tx) => {
      const row = await lockOrder(tx, orderId);
      if (row === undefined) return 'settled';
      const next = await settleReserved(tx, row, now);
      return hasReason(next, REFUND_ABANDONED) ? 'stuck' : 'settled';
    });
  }

  return {
    get,
    list,
    settle,
    settleAbandoned,
    reserve: (request: RefundRequest) => withTenant(db, request.tenantId, (tx) => reserveRefund(tx, request)),
  };
}

/** Puts an amount aside for a refund, unless more would be given back than was taken. Safe to repeat with the same id. */
export async function reserveRefund(tx: Tx, request: RefundRequest): Promise<Reserved> {
  const { tenantId, orderId, id, now } = request;
  const order = await lockOrder(tx, orderId);
  if (order === undefined) return { outcome: 'no_order' };
  await giveUpAbandoned(tx, orderId, now);
  const others = await tx
    .selectFrom('payment_refund')
    .select((e) => e.fn.sum<string | null>('amount').as('sum'))
    .where('order_id', '=', orderId)
    .where('id', '<>', id)
    .where('state', 'not in', ['failed', 'cancelled'])
    .executeTakeFirstOrThrow();
  const leftAmount = order.captured_amount - Number(others.sum ?? 0);
  const found = await tx.selectFrom('payment_refund').selectAll().where('id', '=', id).executeTakeFirst();
  const amount = found?.amount ?? request.amount ?? leftAmount;
  if (amount < 1 || amount > leftAmount) return { outcome: 'too_large', leftAmount, order };
  if (found === undefined && request.amount !== undefined && fractionProblem(amount, order.currency) !== undefined)
    return { outcome: 'odd_amount', order };
  const refund = await tx
    .insertInto('payment_refund')
    .values({
      id,
      tenant_id: tenantId,
      order_id: orderId,
      provider_id: null,
      amount,
      state: 'pending',
      cause: 'asked',
      reason: request.reason ?? null,
      failure_reason: null,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((e) => ({
        // One that the provider knows is what the provider says; else it is being tried again.
        state: e
          .case()
          .when('payment_refund.provider_id', 'is', null)
          .then('pending' as const)
          .else(e.ref('payment_refund.state'))
          .end(),
        updated_at: now,
      })),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
  return { outcome: 'reserved', refund, order };
}
