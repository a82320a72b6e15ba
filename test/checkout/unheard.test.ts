// No webhook ever comes, and replies get lost: everything ends right all the same.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { useShop } from './world.ts';

const shop = useShop({ hasWebhooks: false, reconcileMs: 2_000 });

beforeEach(() => shop.twin().setFaults({ seed: '', requests: [], webhooks: {} }));

/** How often money was taken for an order, as the simulator wrote it down. */
async function charges(orderId: string): Promise<number> {
  const { payments, store } = shop.core().deps;
  const row = await store.checkout.orders.get(shop.tenant().id, orderId);
  const page = await payments.listIntents({});
  assert.ok(page.outcome === 'found');
  const ours = page.value.items.filter(({ owner }) => owner.orderId === orderId);
  assert.equal(ours.length, 1, 'more than one payment was made for the order');
  assert.equal(ours[0]?.id, row?.intent_id);
  return ours[0]?.receivedAmount ?? 0;
}

describe('without a word from the provider', () => {
  test('a payment by card, by debit, and one approved at the bank end right', async () => {
    const card = await shop.order({ paymentMethod: 'pm_card_visa' });
    const debit = await shop.order({ paymentMethod: 'pm_success_de' });
    const secure = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(secure.id, 'needs_action');
    await shop.twin().approve(payment.nextAction?.url ?? '');
    for (const { id } of [card, debit, secure]) {
      await shop.ends(id, 'succeeded');
      assert.equal(await charges(id), 1990);
    }
  });
});

describe('a provider that', () => {
  for (const kind of [
    'reply_lost',
    'cut_body',
    'error_500',
    'error_500_after',
    'rate_limited',
    'bad_gateway',
    'bad_gateway_after',
  ] as const) {
    test(`answers every first call with ${kind}: one payment, once paid, once given back`, async () => {
      // One that Stripe keeps for a key would come again for every new key.
      await shop.twin().setFaults({ seed: kind, requests: [{ kind, share: kind === 'error_500' ? 0.5 : 1, attempts: 1 }] });
      const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
      await shop.ends(id, 'succeeded');
      assert.equal(await charges(id), 1990);
      const refund = await shop.call('POST', `/v1/orders/${id}/refunds`, {});
      await shop.ends(refund.body.id, 'succeeded');
      assert.equal((await shop.reaches(id, 'refunded')).refundedAmount, 1990);
      const page = await shop.core().deps.payments.listRefunds({});
      assert.ok(page.outcome === 'found');
      assert.equal(page.value.items.filter(({ owner }) => owner.orderId === id).length, 1);
    });
  }
});
