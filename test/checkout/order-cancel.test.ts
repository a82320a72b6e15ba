// Cancelling orders in every phase, and what end users may do with theirs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { useShop } from './world.ts';

const shop = useShop();

async function cartOf(orderId: string) {
  const { body } = await shop.call('GET', `/v1/orders/${orderId}`);
  return (await shop.call('GET', `/v1/carts/${body.cartId}`)).body;
}

const RESERVED = { paymentMethod: 'pm_card_visa', captureMethod: 'manual' };

describe('cancelling an order', () => {
  test('that waits for the buyer: nothing is taken afterwards', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(id, 'needs_action');
    assert.equal((await shop.call('POST', `/v1/operations/${id}/cancel`, {})).status, 202);
    await shop.ends(id, 'cancelled');
    assert.equal((await shop.reaches(id, 'cancelled')).capturedAmount, 0);
    await shop
      .twin()
      .approve(payment.nextAction?.url ?? '')
      .catch(() => undefined);
    assert.equal((await shop.reaches(id, 'cancelled')).capturedAmount, 0);
    assert.equal((await cartOf(id)).status, 'open');
  });

  test('that the bank is at work on: it waits for the bank, and ends as paid', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_successDelayed_de' });
    await shop.reaches(id, 'processing');
    await shop.call('POST', `/v1/operations/${id}/cancel`, {});
    await shop.twin().advanceSeconds(200);
    const ended = await shop.ends(id, 'succeeded', 'cancelled');
    assert.deepEqual([ended.status, ended.cancelRejected], ['succeeded', 'too_late']);
    await shop.reaches(id, 'paid');
  });

  test('with the money reserved: it is given back', async () => {
    const { id } = await shop.order(RESERVED);
    await shop.reaches(id, 'authorized');
    await shop.call('POST', `/v1/operations/${id}/cancel`, {});
    await shop.ends(id, 'cancelled');
    await shop.reaches(id, 'cancelled');
  });

  test('a second time, and a retry of what ended', async () => {
    const { id } = await shop.order();
    await shop.reaches(id, 'needs_payment_method');
    await shop.call('POST', `/v1/operations/${id}/cancel`, {});
    await shop.ends(id, 'cancelled');
    assert.equal((await shop.call('POST', `/v1/operations/${id}/cancel`, {})).status, 200);
    const retried = await shop.call('POST', `/v1/operations/${id}/retry`, {});
    assert.deepEqual([retried.status, retried.body.code], [409, 'operation_begun_anew']);
  });
});

describe('a buyer’s token', () => {
  test('sees its own orders, pays them, and does nothing that is the shop’s', async () => {
    const { key } = await shop.api().newToken(shop.tenant().id);
    const cart = await shop.cart({ ownerSubject: 'u_1' });
    const headers = { 'Idempotency-Key': `order-${cart.id}` };
    const call = (method: string, path: string, body?: unknown) => shop.api().call(method, path, { key, body, headers });
    const made = await call('POST', `/v1/carts/${cart.id}/checkout`, { quoteHash: cart.quote.quoteHash });
    assert.equal(made.status, 202, made.text);
    const { id } = made.body;
    await shop.reaches(id, 'needs_payment_method');
    assert.equal((await call('GET', `/v1/orders/${id}`)).status, 200);
    for (const name of ['approve', 'void', 'capture', 'reconcile', 'refunds'])
      assert.equal((await call('POST', `/v1/orders/${id}/${name}`, {})).status, 403, name);
    assert.equal((await call('POST', `/v1/operations/${id}/signals/approve`, {})).status, 403);
    assert.equal((await call('POST', '/v1/operations', { kind: 'refund', input: { orderId: id } })).status, 403);
    assert.equal((await call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' })).status, 202);
    await shop.ends(id, 'succeeded');
    const other = await shop.api().newToken(shop.tenant().id, { subject: 'u_2' });
    assert.equal((await shop.api().call('GET', `/v1/orders/${id}`, { key: other.key })).status, 404);
  });
});
