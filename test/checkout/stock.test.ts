import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { holdStock, releaseHold, returnStock, sellStock, type StockLine } from '../../src/store/checkout/stock.ts';
import { type Databases, openDatabases, type Tx, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';

const BUYERS = 500;
const UNITS = 50;
const CONNECTIONS = 40;
const TENANT = 'shop';
const ACTOR = { actor: 'key:test' };
const NOW = new Date('2026-11-25T12:00:00Z');

let databases: Databases;
let store: Store;
let products = 0;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: CONNECTIONS });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: TENANT, name: 'A shop', actor: ACTOR, now: NOW });
});
after(() => databases[Symbol.asyncDispose]());

/** As many at once as there are connections: who waits for one of these is no competitor, and may not wait for ever. */
async function inLanes<From, To>(all: readonly From[], work: (one: From) => Promise<To>): Promise<To[]> {
  const waiting = [...all];
  const done: To[] = [];
  const lane = async (): Promise<void> => {
    while (waiting.length > 0) done.push(await work(waiting.shift() as From)); // one is left
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  return done;
}

async function newProduct(stock: number): Promise<string> {
  products += 1;
  const sku = `product-${products}`;
  const content = { name: sku, prices: [{ amount: 100, currency: 'EUR' }], taxPercent: 0, stock, isActive: true };
  await store.products.put({ tenantId: TENANT, sku, content, actor: ACTOR, now: NOW });
  return sku;
}

async function newCart(): Promise<string> {
  const request = { tenantId: TENANT, currency: 'EUR', items: [], ownerSubject: undefined, idempotency: undefined, actor: ACTOR, now: NOW };
  const made = await store.carts.create(request);
  assert.ok(made.outcome === 'created');
  return made.cart.id;
}

function inTx<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(databases.app, TENANT, work);
}

function later(minutes: number): Date {
  return new Date(NOW.getTime() + minutes * 60_000);
}

function hold(cartId: string, lines: readonly StockLine[], at = { now: NOW, until: later(15) }): Promise<readonly string[]> {
  return inTx((tx) => holdStock(tx, { tenantId: TENANT, cartId, lines, ...at }));
}

function sell(cartId: string, orderId: string, { lines, now = NOW }: { readonly lines: readonly StockLine[]; readonly now?: Date }) {
  return inTx((tx) => sellStock(tx, { tenantId: TENANT, cartId, orderId, lines, now }));
}

async function stockOf(sku: string, now = NOW): Promise<{ readonly stock: number; readonly available: number }> {
  const rows = await store.products.list(TENANT, { limit: 1000, isActive: false, now });
  const found = rows.find((row) => row.sku === sku);
  assert.ok(found !== undefined);
  return { stock: found.stock, available: found.available };
}

describe('stock', () => {
  test(`${BUYERS} buyers at once for ${UNITS} pieces: ${UNITS} get one, and never is one too many held or sold`, async () => {
    const sku = await newProduct(UNITS);
    const lines = [{ sku, quantity: 1 }];
    const carts = await inLanes(Array.from({ length: BUYERS }), newCart);
    const held = await inLanes(carts, async (cartId) => {
      if ((await hold(cartId, lines)).length > 0) return false;
      assert.deepEqual(await sell(cartId, crypto.randomUUID(), { lines }), []);
      return true;
    });
    assert.equal(held.filter(Boolean).length, UNITS);
    assert.deepEqual(await stockOf(sku), { stock: 0, available: 0 });
    const sold = await inTx((tx) => tx.selectFrom('stock_movement').select('quantity').where('sku', '=', sku).execute());
    assert.equal(sold.length, UNITS);
  });

  test('what one cart holds is not there for another, and there for itself', async () => {
    const sku = await newProduct(3);
    const [one, other] = [await newCart(), await newCart()];
    assert.deepEqual(await hold(one, [{ sku, quantity: 2 }]), []);
    assert.deepEqual(await hold(other, [{ sku, quantity: 2 }]), [sku]);
    assert.deepEqual(await hold(one, [{ sku, quantity: 3 }]), [], 'its own hold does not stand in its way');
    const asks = async (cartId: string | undefined) => {
      const quote = await store.products.catalogue.quote({
        ...{ tenantId: TENANT, currency: 'EUR', items: [{ sku, quantity: 1 }], now: NOW },
        ...(cartId === undefined ? {} : { cartId }),
      });
      return quote.lines[0]?.available;
    };
    assert.deepEqual([await asks(one), await asks(other), await asks(undefined)], [3, 0, 0]);
    await inTx((tx) => releaseHold(tx, { tenantId: TENANT, cartId: one, now: NOW }));
    assert.deepEqual(await hold(other, [{ sku, quantity: 2 }]), []);
  });

  test('an expired hold is worth nothing, although nobody removes it', async () => {
    const sku = await newProduct(1);
    const [one, other] = [await newCart(), await newCart()];
    await hold(one, [{ sku, quantity: 1 }]);
    assert.deepEqual(await hold(other, [{ sku, quantity: 1 }], { now: later(14.99), until: later(30) }), [sku]);
    assert.deepEqual(await hold(other, [{ sku, quantity: 1 }], { now: later(15), until: later(30) }), []);
    assert.deepEqual(await sell(one, crypto.randomUUID(), { lines: [{ sku, quantity: 1 }], now: later(16) }), [sku], 'too late');
    assert.deepEqual(await stockOf(sku, later(16)), { stock: 1, available: 0 });
    assert.deepEqual(await sell(other, crypto.randomUUID(), { lines: [{ sku, quantity: 1 }], now: later(16) }), []);
  });

  test('who pays after the own hold has expired still gets it while it is there', async () => {
    const sku = await newProduct(1);
    const cartId = await newCart();
    await hold(cartId, [{ sku, quantity: 1 }]);
    assert.deepEqual(await sell(cartId, crypto.randomUUID(), { lines: [{ sku, quantity: 1 }], now: later(60) }), []);
  });

  test('is put aside for all lines or for none', async () => {
    const [plenty, scarce] = [await newProduct(10), await newProduct(1)];
    const cartId = await newCart();
    const short = await hold(cartId, [
      { sku: plenty, quantity: 1 },
      { sku: scarce, quantity: 2 },
    ]);
    assert.deepEqual(short, [scarce]);
    assert.deepEqual(await stockOf(plenty), { stock: 10, available: 10 });
  });

  test('carts that want the same articles in another order do not wait for each other for ever', async () => {
    const skus = [await newProduct(1000), await newProduct(1000), await newProduct(1000)];
    const carts = await inLanes(Array.from({ length: 60 }), newCart);
    const orders = [skus, skus.toReversed(), [skus[1], skus[0], skus[2]]];
    const short = await Promise.all(
      carts.map((cartId, index) =>
        hold(
          cartId,
          (orders[index % orders.length] ?? []).map((sku) => ({ sku: sku ?? '', quantity: 1 })),
        ),
      ),
    );
    assert.deepEqual(short.flat(), []);
    for (const sku of skus) assert.equal((await stockOf(sku)).available, 940);
  });

  test('is sold once and comes back once, whatever is repeated', async () => {
    const sku = await newProduct(5);
    const [cartId, orderId] = [await newCart(), crypto.randomUUID()];
    const lines = [{ sku, quantity: 2 }];
    await hold(cartId, lines);
    for (let times = 0; times < 3; times += 1) assert.deepEqual(await sell(cartId, orderId, { lines }), []);
    assert.deepEqual(await stockOf(sku), { stock: 3, available: 3 });
    const back = { tenantId: TENANT, cartId, orderId, now: NOW };
    await Promise.all([1, 2, 3].map(() => inTx((tx) => returnStock(tx, back))));
    assert.deepEqual(await stockOf(sku), { stock: 5, available: 5 });
    await inTx((tx) => returnStock(tx, { ...back, orderId: crypto.randomUUID() }));
    assert.deepEqual(await stockOf(sku), { stock: 5, available: 5 });
  });
});
