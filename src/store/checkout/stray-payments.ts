import { type Kysely, type Selectable, sql } from 'kysely';
import type { PaymentIntent } from '../../adapters/payments.ts';
import type { AuditStore } from '../audit.ts';
import { withTenant } from '../database.ts';
import type { PageRequest } from '../operations.ts';
import type { Database } from '../schema.ts';

export type StrayPaymentRow = Selectable<Database['stray_payment']>;

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: Pick<AuditStore, 'record'>;
}

/**
 * Payments that bear our marks and the name of an order that is not there. They are listed as long as they hold money of a buyer's; nothing
 * is done to them, since another installation on the same account may know the order.
 */
export function createStrayPaymentsStore({ db, audit }: Parts) {
  /** Notes how such a payment stands. One that holds nothing is only noted when it held something before. */
  async function note(intent: PaymentIntent, now: Date): Promise<void> {
    const { id, owner, status, money, capturableAmount, receivedAmount } = intent;
    const refundedAmount = intent.charge?.refundedAmount ?? 0;
    const holdsMoney = capturableAmount > 0 || receivedAmount > refundedAmount;
    const standing = {
      status,
      capturable_amount: capturableAmount,
      received_amount: receivedAmount,
      refunded_amount: refundedAmount,
      updated_at: now,
      settled_at: holdsMoney ? null : now,
    };
    await withTenant(db, owner.tenantId, async (tx) => {
      const known = await tx.updateTable('stray_payment').set(standing).where('id', '=', id).returning('id').executeTakeFirst();
      if (known !== undefined || !holdsMoney) return;
      const isOurs = await tx.selectFrom('tenant').select('id').where('id', '=', owner.tenantId).executeTakeFirst();
      if (isOurs === undefined) return;
      const made = await tx
        .insertInto('stray_payment')
        .values({ id, tenant_id: owner.tenantId, order_id: owner.orderId, currency: money.currency, created_at: now, ...standing })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (made === undefined) return;
      const details = { orderId: owner.orderId, currency: money.currency, receivedAmount, capturableAmount };
      await audit.record(tx, {
        ...{ tenantId: owner.tenantId, actor: 'provider', at: now, action: 'payment.stray.found', target: `payment/${id}` },
        details,
      });
    });
  }

  /** Those that hold money, newest first. */
  function list(tenantId: string, { limit, cursor }: PageRequest): Promise<StrayPaymentRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('stray_payment').selectAll().where('tenant_id', '=', tenantId).where('settled_at', 'is', null);
      if (cursor !== undefined) query = query.where(sql<boolean>`(created_at, id) < (${cursor.createdAt}::timestamptz, ${cursor.id})`);
      return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    });
  }

  return { note, list };
}
