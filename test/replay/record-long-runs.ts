// Records the runs of orders, refunds and carts that another run went on with: a part of `npm run histories`.
import { test } from 'node:test';
import { LOOK_AGAIN } from '../../src/contracts/pure/carts.ts';
import { cartWorkflowId } from '../../src/contracts/pure/ids.ts';
import { useShop } from '../checkout/world.ts';
import { EVENTS_PER_RUN } from '../support/servers.ts';
import { recordFirstRun } from './first-run.ts';

// Before the servers start.
process.env[EVENTS_PER_RUN] = '10';
const shop = useShop({ payWithinMs: 300_000 });

async function record(id: string, output: string): Promise<void> {
  const row = await shop.core().deps.store.operations.get(shop.tenant().id, id);
  if (row === undefined) throw new Error(`there is no operation ${id}`);
  await recordFirstRun(shop.core(), { workflowId: row.workflow_id, output });
}

test('an order that waits for its buyer for long', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
  const { payment } = await shop.reaches(id, 'needs_action');
  await record(id, 'order/continued');
  await shop.twin().approve(payment.nextAction?.url ?? '');
  await shop.ends(id, 'succeeded');
});

test('a refund that the bank takes its time for', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_pendingRefund' });
  await shop.ends(id, 'succeeded');
  const { body } = await shop.call('POST', `/v1/orders/${id}/refunds`, {});
  await shop.ends(body.id, 'succeeded');
  await record(body.id, 'refund/continued');
});

test('a cart that is looked at again and again', async () => {
  const { id } = await shop.cart();
  const workflowId = cartWorkflowId({ tenantId: shop.tenant().id, cartId: id, keeper: 1 });
  const handle = shop.core().serving.temporal.client.workflow.getHandle(workflowId);
  await recordFirstRun(shop.core(), { workflowId, output: 'cart/continued', nudge: () => handle.signal(LOOK_AGAIN, {}) });
  await shop.call('DELETE', `/v1/carts/${id}/items/gear`);
});
