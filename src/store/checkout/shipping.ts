import type { Kysely, Selectable } from 'kysely';
import type { ShippingContent } from '../../contracts/checkout/shipping.ts';
import type { Actor, AuditStore } from '../audit.ts';
import { withTenant } from '../database.ts';
import type { Database } from '../schema.ts';

export type ShippingRow = Selectable<Database['shipping_rate']>;

interface PutShippingRequest {
  readonly tenantId: string;
  readonly currency: string;
  readonly content: ShippingContent;
  readonly actor: Actor;
  readonly now: Date;
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
}

/** What sending costs, once for each currency; in one without a row it costs nothing. */
export function createShippingStore({ db, audit }: Parts) {
  /** By currency. */
  function list(tenantId: string): Promise<ShippingRow[]> {
    return withTenant(db, tenantId, (tx) =>
      tx.selectFrom('shipping_rate').selectAll().where('tenant_id', '=', tenantId).orderBy('currency').execute(),
    );
  }

  async function put({ tenantId, currency, content, actor, now }: PutShippingRequest): Promise<ShippingRow> {
    const values = {
      amount: content.amount,
      free_from_amount: content.freeFromAmount ?? null,
      tax_basis_points: Math.round(content.taxPercent * 100),
      updated_at: now,
    };
    return withTenant(db, tenantId, async (tx) => {
      const row = await tx
        .insertInto('shipping_rate')
        .values({ tenant_id: tenantId, currency, created_at: now, ...values })
        .onConflict((conflict) => conflict.columns(['tenant_id', 'currency']).doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      const target = `shipping-rate/${currency}`;
      await audit.record(tx, { ...actor, tenantId, at: now, action: 'shipping.changed', target, after: content });
      return row;
    });
  }

  return { list, put };
}
