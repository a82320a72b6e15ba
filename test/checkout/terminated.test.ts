// What is left where nobody works any more: money that was put aside is free again, or a person is told.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Stripe from 'stripe';
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
const shop = useShop({ reconcileMs: 2_000 });

async function terminate(operationId: string): Promise<void> {
  const { deps, serving } = shop.core();
  const row = await deps.store.operations.get(shop.tenant().id, operationId);
  await serving.temporal.client.workflow.getHandle(row?.workflow_id ?? assert.fail('there is no such operation')).terminate('a test');
}

describe('a workflow that an operator terminates', () => {
  test('of a refund, before the money went back, leaves the money to another refund', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
    const ask = (amount: number) => shop.call('POST', `/v1/orders/${id}/refunds`, { amount });
    await shop
      .twin()
      .setFaults({ seed: 'terminated', requests: [{ kind: 'rate_limited', share: 1, route: 'POST /v1/refunds', attempts: 1_000 }] });
    const { body } = await ask(1500);
    await shop.ends(body.id, 'running', 'waiting');
    await terminate(body.id);
    await shop.ends(body.id, 'failed');
    await shop.twin().setFaults({ requests: [] });
    await soon(async () => {
      const { data } = (await shop.call('GET', `/v1/orders/${id}/refunds`)).body;
      assert.deepEqual(
        data.map(({ state }: { state: string }) => state),
        ['cancelled'],
      );
    });
    const another = await ask(1500);
    assert.equal(another.status, 202, another.text);
    await shop.ends(another.body.id, 'succeeded');
    assert.equal((await shop.reaches(id, 'partially_refunded')).stuck, undefined);
  });

  test('of an order is listed until a person has given the money back at Stripe; then the order ends', async () => {
    await shop.product('left', 1);
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa', captureMethod: 'manual' }, { items: [{ sku: 'left', quantity: 1 }] });
    await shop.reaches(id, 'authorized');
    await terminate(id);
    await shop.ends(id, 'failed');
    const listed = async () => {
      const { body } = await shop.call('GET', '/v1/orders?stuck=true');
      return body.data.some((row: { id: string }) => row.id === id);
    };
    await eventually(listed, WAIT);
    const row = await shop.core().deps.store.checkout.orders.get(shop.tenant().id, id);
    const { secretKey, simulatorUrl } = shop.twin().account;
    await new Stripe(secretKey, placeOf(simulatorUrl)).paymentIntents.cancel(row?.intent_id ?? '');
    await shop.reaches(id, 'cancelled');
    assert.equal(await listed(), false);
    assert.deepEqual(await shop.stock('left'), { stock: 1, available: 1 });
  });
});
