// No webhook ever comes, and replies get lost: everything ends right all the same.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Refund } from '../../src/adapters/payments.ts';
import { eventually } from '../support/eventually.ts';
import type { RequestFaultKind } from '../../src/embedded/stripe-twin/faults.ts';
import { useShop } from './world.ts';

const shop = useShop({ hasWebhooks: false, reconcileMs: 2_000 });
/** Calls that were failed by a 500 so far. */
let failures = 0;

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

function fail(kind: RequestFaultKind): Promise<void> {
  return shop.twin().setFaults({ seed: kind, requests: [{ kind, share: 1, attempts: 1 }] });
}

/** One that Stripe keeps for a key would come again for every new key: all is well once the first call has failed. */
async function recover(): Promise<void> {
  failures = await eventually(
    async () => {
      const count = (await shop.twin().audit()).filter(({ request }) => request?.fault === 'error_500').length;
      return count > failures ? count : undefined;
    },
    { timeoutMs: 60_000 },
  );
  await shop.twin().setFaults({ seed: '', requests: [] });
}

async function refundsOf(orderId: string): Promise<readonly Refund[]> {
  const page = await shop.core().deps.payments.listRefunds({});
  assert.ok(page.outcome === 'found');
  return page.value.items.filter(({ owner }) => owner.orderId === orderId);
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

describe('a refund that had succeeded', () => {
  test('and that the bank sends back later is found by reading the payment, and listed for a person', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_refundFail' });
    await shop.ends(id, 'succeeded');
    const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 500 });
    await shop.ends(body.id, 'succeeded');
    const request = { tenantId: shop.tenant().id, orderId: id, tellsWorkflow: false };
    const order = await eventually(
      async () => {
        const synced = await shop.core().deps.paymentSync.syncOrder({ ...request, now: new Date() });
        return synced.order?.stuck?.reason === 'refund_failed' ? synced.order : undefined;
      },
      { timeoutMs: 60_000 },
    );
    assert.equal(order.refunded_amount, 0);
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
      await fail(kind);
      const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
      if (kind === 'error_500') await recover();
      await shop.ends(id, 'succeeded');
      assert.equal(await charges(id), 1990);
      if (kind === 'error_500') await fail(kind);
      const refund = await shop.call('POST', `/v1/orders/${id}/refunds`, {});
      if (kind === 'error_500') await recover();
      await shop.ends(refund.body.id, 'succeeded');
      assert.equal((await shop.reaches(id, 'refunded')).refundedAmount, 1990);
      assert.equal((await refundsOf(id)).length, 1);
    });
  }

  // Last: its clock is a day ahead from then on.
  test('has forgotten our key, a day later, when it is asked what became of a refund: it is found by its marks, and not made again', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
    await shop.twin().setFaults({ seed: '', requests: [{ kind: 'reply_lost', share: 1, attempts: 1, route: 'POST /v1/refunds' }] });
    const refund = await shop.call('POST', `/v1/orders/${id}/refunds`, { amount: 700 });
    await eventually(async () => (await refundsOf(id)).length === 1, { timeoutMs: 60_000 });
    await shop.twin().advanceSeconds(25 * 3_600);
    await shop.ends(refund.body.id, 'succeeded');
    assert.equal((await shop.reaches(id, 'partially_refunded')).refundedAmount, 700);
    assert.equal((await refundsOf(id)).length, 1);
  });
});
