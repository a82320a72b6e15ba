// Orders in a database, many at once: what reads or merges them is looked at, not how they came to be.
import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { KINDS } from '../../src/contracts/kinds.ts';
import { type Databases, withTenant } from '../../src/store/database.ts';
import type { Store } from '../../src/store/index.ts';

const ACTOR = { actor: 'key:test' };

interface NewOrder {
  readonly store: Store;
  readonly tenantId: string;
  readonly now: Date;
}

/** A tenant that sells one thing. */
export async function openShop({ store, tenantId, now }: NewOrder, amount: number): Promise<void> {
  await store.tenants.put({ id: tenantId, name: 'A shop', actor: ACTOR, now });
  const gear = { name: 'Gear', prices: [{ amount, currency: 'EUR' }], taxPercent: 19, stock: 1_000, isActive: true };
  await store.products.put({ tenantId, sku: 'gear', content: gear, actor: ACTOR, now });
}

/** An order as checkout makes it. */
export async function newOrder({ store, tenantId, now }: NewOrder): Promise<string> {
  const at = { tenantId, actor: ACTOR, now };
  const items = [{ sku: 'gear', quantity: 1 }];
  const made = await store.carts.create({ ...at, currency: 'EUR', items, ownerSubject: undefined, idempotency: undefined });
  assert.ok(made.outcome === 'created');
  const { id: cartId, version: cartVersion } = made.cart;
  const quote = await store.products.catalogue.quote({ tenantId, cartId, currency: 'EUR', items, now });
  const input = { cartId, quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' };
  const payUntil = new Date(now.getTime() + 1_800_000);
  const accepted = await store.checkout.acceptOrder({ ...at, kind: KINDS.order, start: {}, input, quote, cartVersion, payUntil });
  assert.ok(accepted.outcome === 'created', accepted.outcome);
  return accepted.operation.id;
}

interface Copies {
  readonly databases: Databases;
  readonly tenantId: string;
  readonly orderId: string;
  readonly count: number;
}

/** Copies of an order in all but their names: hundreds of them in one go. */
export async function copiesOf({ databases, tenantId, orderId, count }: Copies): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  const named = (row: string) =>
    sql.raw(`jsonb_populate_record(${row}, jsonb_build_object('id', n.id, 'root_id', n.id, 'stream_id', n.id,
    'natural_key', n.id, 'workflow_id', 'order:' || n.id))`);
  await withTenant(databases.app, tenantId, async (tx) => {
    await sql`insert into stream (id, tenant_id, seq) select id, ${tenantId}, 0 from unnest(${ids}::uuid[]) id`.execute(tx);
    for (const table of ['operation', 'checkout_order'])
      await sql`insert into ${sql.table(table)} select (${named('o')}).* from ${sql.table(table)} o, unnest(${ids}::uuid[]) as n(id)
        where o.id = ${orderId}::uuid`.execute(tx);
  });
  return ids;
}
