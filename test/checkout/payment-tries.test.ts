// How long goods are kept for somebody who tries to pay over and over.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { holdUntil } from '../../src/store/checkout/orders.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';
import { newOrder, openShop } from './order-rows.ts';

const TENANT = 'shop';
const NOW = new Date('2026-11-25T12:00:00Z');
const MINUTE_MS = 60_000;
const DECLINE = { code: 'card_declined', text: 'No.' };

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 4 });
  store = createStore(databases, createDispatchBridge());
  await openShop({ store, tenantId: TENANT, now: NOW }, 1990);
});
after(() => databases[Symbol.asyncDispose]());

describe('goods of a buyer who tries over and over', () => {
  test('are kept for longer at each of the first five tries, and no longer after that', async () => {
    const orderId = await newOrder({ store, tenantId: TENANT, now: NOW });
    await withTenant(databases.app, TENANT, (tx) =>
      tx.updateTable('checkout_order').set({ intent_status: 'needs_payment_method' }).where('id', '=', orderId).execute(),
    );
    const { confirmed, askPayment, get } = store.checkout.orders;
    await confirmed({ tenantId: TENANT, orderId, now: NOW }, 1, DECLINE);
    const minutes: number[] = [];
    for (let nth = 2; nth <= 9; nth += 1) {
      const now = new Date(NOW.getTime() + nth * 10 * MINUTE_MS);
      const asked = { paymentMethod: 'pm_wrong', payUntil: new Date(now.getTime() + 30 * MINUTE_MS) };
      assert.ok((await askPayment({ tenantId: TENANT, orderId, now }, asked)) !== undefined, `try ${nth}`);
      const row = await confirmed({ tenantId: TENANT, orderId, now }, nth, DECLINE);
      minutes.push((row.pay_until.getTime() - NOW.getTime()) / MINUTE_MS);
    }
    assert.deepEqual(minutes, [50, 60, 70, 80, 80, 80, 80, 80]);
    const order = (await get(TENANT, orderId)) ?? assert.fail('there is no order');
    const held = await withTenant(databases.app, TENANT, (tx) =>
      tx.selectFrom('stock_hold').select('expires_at').where('cart_id', '=', order.cart_id).execute(),
    );
    assert.deepEqual(held, [{ expires_at: holdUntil(order.pay_until) }]);
  });
});
