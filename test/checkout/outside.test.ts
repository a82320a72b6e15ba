// What others do at the provider with payments of ours: it is found without a word from there, and booked.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import Stripe from 'stripe';
import type { StrayPayment } from '../../src/contracts/checkout/stray-payments.ts';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { eventually } from '../support/eventually.ts';
import { useShop } from './world.ts';

/** Until it holds. */
function soon(holds: () => Promise<void>): Promise<boolean> {
  return eventually(async () => {
    await holds();
    return true;
  }, WAIT);
}

const WAIT = { timeoutMs: 150_000 };
const shop = useShop({ hasWebhooks: false, reconcileMs: 2_000 });
let owner: pg.Client | undefined;
after(() => owner?.end());

/** The provider's own page, for somebody who works with that. */
function dashboard(): Stripe {
  return new Stripe(shop.twin().account.secretKey, placeOf(shop.twin().url));
}

async function paid(): Promise<{ readonly id: string; readonly intentId: string }> {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'succeeded');
  const row = await shop.core().deps.store.checkout.orders.get(shop.tenant().id, id);
  return { id, intentId: row?.intent_id ?? assert.fail('it has no payment') };
}

async function providerNet(): Promise<number> {
  const { data } = await dashboard().balanceTransactions.list({ limit: 100 });
  return data.reduce((sum, { net }) => sum + net, 0);
}

/** What the provider said, as it is kept; one connection for all who look. */
async function inbox(): Promise<pg.Client> {
  if (owner !== undefined) return owner;
  owner = new pg.Client({ connectionString: shop.core().ground.ownerUrl });
  await owner.connect();
  return owner;
}

interface ByHand {
  readonly amount: number;
  readonly currency: string;
  readonly metadata: Stripe.MetadataParam;
}

/** A payment that nobody here makes. */
async function take(payment: ByHand): Promise<string> {
  const { id } = await dashboard().paymentIntents.create({ ...payment, automatic_payment_methods: { enabled: true } });
  await dashboard().paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: 'https://shop.example.com/back' });
  return id;
}

/** A payment of 25 EUR with our marks, for an order of this name. */
async function takeUnder(orderId: string): Promise<string> {
  const { metadata } = await dashboard().paymentIntents.retrieve((await paid()).intentId);
  return take({ amount: 2500, currency: 'eur', metadata: { ...metadata, nightshift_order: orderId } });
}

async function strays(): Promise<readonly StrayPayment[]> {
  return (await shop.call('GET', '/v1/stray-payments')).body.data;
}

/** How it is listed, once all that it took is seen. */
function strayOf(intentId: string): Promise<StrayPayment> {
  return eventually(async () => (await strays()).find(({ id, receivedAmount }) => id === intentId && receivedAmount === 2500), WAIT);
}

describe('somebody at the provider’s own page', () => {
  test('gives a part back: the order and the books show it, and what is left is less', async () => {
    const { id, intentId } = await paid();
    await dashboard().refunds.create({ payment_intent: intentId, amount: 490 });
    await eventually(async () => (await shop.call('GET', `/v1/orders/${id}`)).body.refundedAmount === 490, WAIT);
    const { body } = await shop.call('GET', `/v1/orders/${id}/refunds`);
    assert.deepEqual([body.data.length, body.data[0].state], [1, 'succeeded']);
    const tooMuch = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 1501 });
    assert.equal(tooMuch.body.code, 'refund_too_large');
    await soon(async () => assert.equal(await shop.balance('provider_clearing'), await providerNet()));
    assert.equal(await shop.balance('customer_receivable'), 0);
  });

  test('writes a key of his own on a refund: it is booked as any that was made there', async () => {
    const { id, intentId } = await paid();
    const { metadata } = await dashboard().paymentIntents.retrieve(intentId);
    await dashboard().refunds.create({
      payment_intent: intentId,
      amount: 300,
      metadata: { ...metadata, nightshift_key: 'by-hand/refund#1' },
    });
    await soon(async () => assert.equal((await shop.call('GET', `/v1/orders/${id}`)).body.refundedAmount, 300));
  });

  test('writes another order’s marks on a refund, or copies those of one that was asked for: both are booked', async () => {
    const { id, intentId } = await paid();
    const asked = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 40 });
    await shop.ends(asked.body.id, 'succeeded');
    const [made] = (await dashboard().refunds.list({ payment_intent: intentId })).data;
    const marks = made?.metadata ?? assert.fail('it has no marks');
    const other = crypto.randomUUID();
    for (const [amount, metadata] of [
      [20, marks],
      [300, { ...marks, nightshift_order: other, nightshift_key: `${other}/refund#1` }],
      [1000, { ...marks, nightshift_order: other, nightshift_key: `${other}/undo-1#1` }],
    ] as const)
      await dashboard().refunds.create({ payment_intent: intentId, amount, metadata });
    await soon(async () => assert.equal((await shop.call('GET', `/v1/orders/${id}`)).body.refundedAmount, 1360));
    const rest = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 630 });
    await shop.ends(rest.body.id, 'succeeded');
    await shop.reaches(id, 'refunded');
    assert.equal(await shop.balance('provider_clearing'), await providerNet());
  });

  test('takes a second payment under an order’s name: it does not take the place of the first, and a person is told', async () => {
    const { id, intentId } = await paid();
    const first = await dashboard().paymentIntents.retrieve(intentId);
    const second = await take({ amount: 1990, currency: 'eur', metadata: first.metadata });
    await eventually(async () => (await shop.call('GET', `/v1/orders/${id}`)).body.stuck?.reason === 'second_payment', WAIT);
    const row = await shop.core().deps.store.checkout.orders.get(shop.tenant().id, id);
    assert.deepEqual([row?.intent_id, row?.captured_amount], [intentId, 1990]);
    // Booked a moment after it was found: the provider captures asynchronously.
    await soon(async () => assert.equal(await shop.balance('customer_receivable'), -1990, 'owed to the buyer'));
    await dashboard().refunds.create({ payment_intent: second });
    await soon(async () => assert.equal(await shop.balance('customer_receivable'), 0));
    assert.equal(await shop.balance('provider_clearing'), await providerNet());
    assert.equal((await shop.reaches(id, 'paid')).refundedAmount, 0);
    await soon(async () => assert.equal((await shop.reaches(id, 'paid')).stuck, undefined));
  });

  test('takes one in another currency: the buyer is owed that currency, and nothing of the order’s', async () => {
    const { id, intentId } = await paid();
    const { metadata } = await dashboard().paymentIntents.retrieve(intentId);
    const second = await take({ amount: 700, currency: 'usd', metadata });
    await soon(async () => assert.equal(await shop.balance('customer_receivable', 'USD'), -700));
    assert.equal(await shop.balance('customer_receivable'), 0);
    const third = await take({ amount: 1990, currency: 'eur', metadata });
    const about = async (): Promise<readonly string[]> => {
      const { stuck } = await shop.reaches(id, 'paid');
      return stuck === undefined ? [] : [stuck, ...(stuck.others ?? [])].map((reason) => `${reason.reason} ${reason.about}`);
    };
    await soon(async () => assert.deepEqual(await about(), [`second_payment ${second}`, `second_payment ${third}`]));
    await dashboard().refunds.create({ payment_intent: second });
    await soon(async () => assert.deepEqual(await about(), [`second_payment ${third}`]));
    await dashboard().refunds.create({ payment_intent: third });
    await soon(async () => assert.deepEqual(await about(), []));
    await soon(async () => assert.equal(await shop.balance('customer_receivable', 'USD'), 0));
  });

  test('says what became of a step of ours whose process died: the order ends by it, and is not called unknown', async () => {
    const { id } = await shop.order();
    await shop.reaches(id, 'needs_payment_method');
    const { store } = shop.core().deps;
    const tenantId = shop.tenant().id;
    const operation = await store.operations.get(tenantId, id);
    const order = await store.checkout.orders.get(tenantId, id);
    const run = { tenantId, operationId: id, rootId: id, kind: 'order', attempt: 1, runId: operation?.run_id ?? '', nowMs: Date.now() };
    // Begun, and never heard of again.
    const [effect] = await store.effects.claim({ ...run, effects: [{ step: 'void', digest: 'of an attempt that died' }] });
    assert.ok(effect !== undefined && (await store.effects.begin({ tenantId, key: effect.key, fence: effect.fence }, 1)));
    await dashboard().paymentIntents.cancel(order?.intent_id ?? '');
    await shop.ends(id, 'cancelled');
    const effects = await store.effects.ofRoot(tenantId, id);
    assert.equal(effects.find(({ step }) => step === 'void')?.state, 'done');
  });

  test('finds nothing done to a payment under our name whose order is not there: it is listed until the money is back', async () => {
    const orderId = crypto.randomUUID();
    const made = await takeUnder(orderId);
    const stray = await strayOf(made);
    assert.deepEqual([stray.orderId, stray.currency, stray.refundedAmount], [orderId, 'EUR', 0]);
    const found = "select actor from audit_entry where action = 'payment.stray.found' and target = $1";
    assert.deepEqual(await shop.api().sql(shop.tenant().id, found, [`payment/${made}`]), [{ actor: 'provider' }]);
    const other = await shop.api().newTenant();
    assert.deepEqual((await shop.api().call('GET', '/v1/stray-payments', { key: other.key })).body.data, []);
    await dashboard().refunds.create({ payment_intent: made });
    await soon(async () => assert.deepEqual(await strays(), []));
  });

  test('writes an order’s name that is no id: the payment is listed all the same, and is not looked at for ever', async () => {
    const made = await takeUnder('ORD-1001');
    assert.equal((await strayOf(made)).orderId, 'ORD-1001');
    const hints = 'select outcome from stripe_inbox where intent_id = $1';
    const settled = await eventually(async () => {
      const { rows } = await (await inbox()).query<{ outcome: string | null }>(hints, [made]);
      return rows.length > 0 && rows.every(({ outcome }) => outcome !== null) ? rows : undefined;
    }, WAIT);
    assert.ok(settled.every(({ outcome }) => outcome === 'foreign'));
    await dashboard().refunds.create({ payment_intent: made });
    await soon(async () => assert.deepEqual(await strays(), []));
  });

  test('does what he likes with payments that are not ours', async () => {
    const clearing = await shop.balance('provider_clearing');
    const other = await take({ amount: 777, currency: 'eur', metadata: {} });
    const { id } = await dashboard().refunds.create({ payment_intent: other });
    const text = "select outcome from stripe_inbox where event_id = 'found:' || $1 || ':refund'";
    const settled = await eventually(async () => {
      const { rows } = await (await inbox()).query<{ outcome: string | null }>(text, [id]);
      return rows[0]?.outcome ?? undefined;
    }, WAIT);
    assert.equal(settled, 'foreign');
    assert.equal(await shop.balance('provider_clearing'), clearing);
    assert.equal((await dashboard().paymentIntents.retrieve(other)).status, 'succeeded');
  });
});
