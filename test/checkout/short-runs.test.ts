// Orders whose workflow goes on in another run all the time: what was asked of one run is known to the next.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUND_SOCKET } from '../support/ground-process.ts';
import { EVENTS_PER_RUN } from '../support/servers.ts';
import { useShop } from './world.ts';

// With servers of its own, since the setting is theirs.
delete process.env[GROUND_SOCKET];
process.env[EVENTS_PER_RUN] = '10';
const shop = useShop({ payWithinMs: 300_000 });

async function isInAnotherRun(id: string): Promise<boolean> {
  const row = await shop.core().deps.store.operations.get(shop.tenant().id, id);
  const { raw, runId } = await shop
    .core()
    .serving.temporal.client.workflow.getHandle(row?.workflow_id ?? '')
    .describe();
  return raw.workflowExecutionInfo?.firstRunId !== runId;
}

test('money that is reserved is taken when somebody asks for it', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa', captureMethod: 'manual' });
  await shop.reaches(id, 'authorized');
  assert.equal((await shop.call('POST', `/v1/orders/${id}/capture`, {})).status, 202);
  await shop.ends(id, 'succeeded');
  assert.ok(await isInAnotherRun(id), 'nothing was handed on');
});

test('an order that is voided ends, and leaves nothing reserved', async () => {
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa', captureMethod: 'manual' });
  await shop.reaches(id, 'authorized');
  assert.equal((await shop.call('POST', `/v1/orders/${id}/void`, {})).status, 202);
  await shop.ends(id, 'cancelled');
});
