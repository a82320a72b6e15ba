// Records the histories of orders and refunds, all anew: `npm run histories`. Until the first release only; then they are immutable.
import { test } from 'node:test';
import Stripe from 'stripe';
import { recordHistory } from '../../scripts/record-histories.ts';
import { LOOK_AGAIN } from '../../src/contracts/pure/carts.ts';
import { cartWorkflowId } from '../../src/contracts/pure/ids.ts';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { useShop } from '../checkout/world.ts';
import { eventually } from '../support/eventually.ts';

const shop = useShop({ payWithinMs: 25_000, cartReminders: '2s' });

async function record(id: string, output: string): Promise<void> {
  const row = await shop.core().deps.store.operations.get(shop.tenant().id, id);
  if (row === undefined) throw new Error(`there is no operation ${id}`);
  const { ground, serving } = shop.core();
  await serving.temporal.client.workflow.getHandle(row.workflow_id).result();
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId: row.workflow_id, output });
}

test('paid by card, and given back', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'succeeded');
  await record(id, 'order/happy');
  const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 500 });
  await shop.ends(body.id, 'succeeded');
  await record(body.id, 'refund/happy');
});

test('given back by the temporal CLI after the order has ended', async () => {
  const { id: orderId } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(orderId, 'succeeded');
  const { ground, serving } = shop.core();
  const workflowId = `refund-of-${orderId}`;
  const asked = { tenantId: shop.tenant().id, orderId, amount: 500 };
  await serving.temporal.client.workflow.execute('refundRequest', { workflowId, taskQueue: 'core', args: [asked] });
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId, output: 'refundRequest/happy' });
});

test('a refund that is pending at first', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_pendingRefund' });
  await shop.ends(id, 'succeeded');
  const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, {});
  await shop.ends(body.id, 'succeeded');
  await record(body.id, 'refund/pending');
});

/** The provider is too busy for refunds, as often as it is asked. */
const TOO_BUSY = { seed: 'busy', requests: [{ kind: 'rate_limited', share: 1, route: 'POST /v1/refunds', attempts: 1_000 }] } as const;

test('a refund that is cancelled before the provider has heard of it', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'succeeded');
  await shop.twin().setFaults(TOO_BUSY);
  const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 500 });
  await shop.ends(body.id, 'running', 'waiting');
  await shop.call('POST', `/v1/operations/${body.id}/cancel`, {});
  await shop.ends(body.id, 'cancelled');
  await shop.twin().setFaults({ requests: [] });
  await record(body.id, 'refund/cancelled');
});

test('a refund that is refused, since all was given back at Stripe meanwhile', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'succeeded');
  const order = await shop.core().deps.store.checkout.orders.get(shop.tenant().id, id);
  const { account, url } = shop.twin();
  const dashboard = new Stripe(account.secretKey, placeOf(url));
  await shop.twin().setFaults(TOO_BUSY);
  const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 500 });
  await shop.ends(body.id, 'running', 'waiting');
  await shop.twin().setFaults({ requests: [] });
  await dashboard.refunds.create({ payment_intent: order?.intent_id ?? '' });
  await shop.ends(body.id, 'failed');
  await record(body.id, 'refund/failed');
});

test('declined, then paid with another card', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_chargeDeclined' });
  await shop.reaches(id, 'needs_payment_method');
  await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'succeeded');
  await record(id, 'order/second-card');
});

test('approved at the bank', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
  const { payment } = await shop.reaches(id, 'needs_action');
  await shop.twin().approve(payment.nextAction?.url ?? '');
  await shop.ends(id, 'succeeded');
  await record(id, 'order/approved');
});

test('paused while it waits for the buyer, then abandoned', async () => {
  const { id } = await shop.order();
  await shop.reaches(id, 'needs_payment_method');
  await shop.call('POST', `/v1/operations/${id}/pause`, {});
  await eventually(async () => (await shop.call('GET', `/v1/operations/${id}`)).body.phase === 'paused', { timeoutMs: 150_000 });
  await shop.call('POST', `/v1/operations/${id}/resume`, {});
  await shop.ends(id, 'failed');
  await record(id, 'order/abandoned');
});

test('reserved, then taken; and reserved, then voided', async () => {
  const reserved = { paymentMethod: 'pm_card_visa', captureMethod: 'manual' };
  const [taken, voided] = [await shop.order(reserved), await shop.order(reserved)];
  for (const { id } of [taken, voided]) await shop.reaches(id, 'authorized');
  await shop.call('POST', `/v1/orders/${taken.id}/capture`, {});
  await shop.ends(taken.id, 'succeeded');
  await record(taken.id, 'order/captured');
  await shop.call('POST', `/v1/orders/${voided.id}/void`, {});
  await shop.ends(voided.id, 'cancelled');
  await record(voided.id, 'order/voided');
});

test('not sent, so given back', async () => {
  shop.fulfilment({ outcome: 'refused', code: 'address' });
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await shop.ends(id, 'failed');
  await record(id, 'order/compensated');
});

test('cancelled while it waits for the buyer', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
  await shop.reaches(id, 'needs_action');
  await shop.call('POST', `/v1/operations/${id}/cancel`, {});
  await shop.ends(id, 'cancelled');
  await record(id, 'order/cancelled');
});

/** Wakes the workflow of a cart for its last look, and records it. */
async function recordCart(cartId: string, output: string): Promise<void> {
  const workflowId = cartWorkflowId({ tenantId: shop.tenant().id, cartId, keeper: 1 });
  const { ground, serving } = shop.core();
  const handle = serving.temporal.client.workflow.getHandle(workflowId);
  await eventually(() => handle.signal(LOOK_AGAIN, {}).then(() => true), { timeoutMs: 60_000 });
  await handle.result();
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId, output });
}

test('a cart that was ordered', async () => {
  const { id, quote } = await shop.cart();
  const { body } = await shop.call('POST', `/v1/carts/${id}/checkout`, { quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' });
  await shop.ends(body.id, 'succeeded');
  await recordCart(id, 'cart/ordered');
});

test('a cart that was emptied', async () => {
  const { id } = await shop.cart();
  await shop.call('DELETE', `/v1/carts/${id}/items/gear`);
  await recordCart(id, 'cart/emptied');
});

test('a cart that was reminded', async () => {
  const { id } = await shop.cart();
  const consent = { reminders: true, wording: 'recorded' };
  // It is about noon there: nobody is reminded at night.
  const ahead = 12 - new Date().getUTCHours();
  const timeZone = ahead === 0 ? 'Etc/GMT' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
  await shop.call('PUT', `/v1/carts/${id}/contact`, { email: 'ada@example.com', timeZone, consent });
  await eventually(async () => (await shop.call('GET', `/v1/operations?kind=email&tag=cart`)).body.data.length > 0, { timeoutMs: 150_000 });
  await shop.call('DELETE', `/v1/carts/${id}/items/gear`);
  await recordCart(id, 'cart/reminded');
});
