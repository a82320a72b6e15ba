// Money that is only reserved: taken, in part, given back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EmailContent } from '../../src/contracts/email.ts';
import { ORDER_SIGNALS } from '../../src/contracts/pure/checkout.ts';
import { eventually } from '../support/eventually.ts';
import { useShop } from './world.ts';

const shop = useShop();

function verb(orderId: string, name: string, body: object = {}) {
  return shop.call('POST', `/v1/orders/${orderId}/${name}`, body);
}

async function cartOf(orderId: string) {
  const { body } = await shop.call('GET', `/v1/orders/${orderId}`);
  return (await shop.call('GET', `/v1/carts/${body.cartId}`)).body;
}

const RESERVED = { paymentMethod: 'pm_card_visa', captureMethod: 'manual' };

describe('reserved money', () => {
  test('is taken when a person says so, and audited', async () => {
    const { id } = await shop.order(RESERVED);
    const order = await shop.reaches(id, 'authorized');
    assert.deepEqual([order.authorizedAmount, order.capturedAmount], [1990, 0]);
    const tooMuch = await verb(id, 'capture', { amount: 1991 });
    assert.equal(tooMuch.status, 400);
    assert.equal((await verb(id, 'capture')).status, 202);
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1990);
    const rows = await shop
      .api()
      .sql(shop.tenant().id, "select actor from audit_entry where operation_id = $1 and action like 'operation.capture%'", [id]);
    assert.match(String(rows[0]?.['actor']), /^key:/);
  });

  test('is not touched for a reason that holds a card number, by whatever route it is given', async () => {
    const { id } = await shop.order(RESERVED);
    await shop.reaches(id, 'authorized');
    const reason = 'card 4242 4242 4242 4242 12/27';
    for (const path of [
      `orders/${id}/void`,
      `orders/${id}/capture`,
      ...['signals/void', 'cancel', 'pause'].map((name) => `operations/${id}/${name}`),
    ]) {
      const answer = await shop.call('POST', `/v1/${path}`, { reason });
      assert.deepEqual([answer.status, answer.body.errors?.[0].pointer], [400, '/reason'], path);
    }
    assert.equal((await shop.reaches(id, 'authorized')).capturedAmount, 0);
  });

  test('in part leaves the rest with the buyer, and the receipt says so', async () => {
    const { id } = await shop.order(RESERVED);
    await shop.reaches(id, 'authorized');
    await verb(id, 'capture', { amount: 1000 });
    await shop.ends(id, 'succeeded');
    const order = await shop.reaches(id, 'paid');
    assert.equal(order.capturedAmount, 1000);
    const receipt = await shop.core().deps.store.operations.get(shop.tenant().id, order.receiptId ?? '');
    const { text = '' } = (receipt ?? assert.fail('there is no receipt')).input as unknown as EmailContent; // as the e-mail feature keeps it
    assert.match(text, /is\s+paid,\s+€10\.00\s+of\s+it/);
    assert.match(text, /Total\s+€19\.90/);
    assert.match(text, /Not charged\s+€9\.90/);
    assert.match(text, /Paid\s+€10\.00/);
  });

  test('is taken in amounts that the currency has; the provider is not even asked for others', async () => {
    const { id } = await shop.order(RESERVED, { currency: 'KWD' });
    await shop.reaches(id, 'authorized');
    const odd = await verb(id, 'capture', { amount: 1001 });
    assert.deepEqual([odd.status, odd.body.errors[0].pointer], [400, '/amount']);
    // By a signal, which nobody answers.
    const { name, actor, now } = { name: ORDER_SIGNALS.capture, actor: { actor: 'test' }, now: new Date() };
    const { store } = shop.core().deps;
    await store.operations.signal({ tenantId: shop.tenant().id, id, name, payload: { amount: 1001 }, actor, now });
    await eventually(async () => {
      const timeline = await shop.call('GET', `/v1/operations/${id}/timeline`);
      return timeline.text.includes('capturePayment');
    });
    await verb(id, 'capture', { amount: 1000 });
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1000);
    assert.equal((await verb(id, 'refunds', { amount: 5 })).status, 400);
  });

  test('that the provider would not give in one amount is taken in another', async () => {
    const { id } = await shop.order(RESERVED);
    await shop.reaches(id, 'authorized');
    const { store } = shop.core().deps;
    const tenantId = shop.tenant().id;
    const operation = await store.operations.get(tenantId, id);
    const run = { tenantId, operationId: id, rootId: id, kind: 'order', attempt: 1, runId: operation?.run_id ?? '', nowMs: Date.now() };
    const [effect] = await store.effects.claim({ ...run, effects: [{ step: 'capture', digest: 'of an amount that was refused' }] });
    assert.ok(effect !== undefined && (await store.effects.begin({ tenantId, key: effect.key, fence: effect.fence }, 1)));
    const refused = { state: 'refused', response: { kind: 'invalid', code: 'invalid' }, operationId: id, nowMs: Date.now() } as const;
    await store.effects.end({ tenantId, key: effect.key, fence: effect.fence }, refused);
    await verb(id, 'capture', { amount: 1000 });
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1000);
  });

  test('is taken by approve', async () => {
    const { id } = await shop.order(RESERVED);
    await shop.reaches(id, 'authorized');
    await verb(id, 'approve');
    await shop.ends(id, 'succeeded');
  });

  test('is given back by void, twice asked or once: the order ends, its cart opens', async () => {
    await shop.product('voided', 1);
    const { id } = await shop.order(RESERVED, { items: [{ sku: 'voided', quantity: 1 }] });
    await shop.reaches(id, 'authorized');
    assert.equal((await verb(id, 'void', { reason: 'asked by phone' })).status, 202);
    await verb(id, 'void');
    await shop.reaches(id, 'cancelled');
    await shop.ends(id, 'cancelled');
    assert.deepEqual(await shop.stock('voided'), { stock: 1, available: 1 });
    const cart = await cartOf(id);
    assert.deepEqual([cart.status, cart.attempt], ['open', 2]);
    const again = await shop.call('POST', `/v1/carts/${cart.id}/checkout`, {
      quoteHash: cart.quote.quoteHash,
      paymentMethod: 'pm_card_visa',
    });
    assert.equal(again.status, 202, again.text);
    assert.notEqual(again.body.id, id);
    await shop.ends(again.body.id, 'succeeded');
    const late = await verb(id, 'capture');
    assert.deepEqual([late.status, late.body.code], [409, 'order_not_in_state']);
  });
});
