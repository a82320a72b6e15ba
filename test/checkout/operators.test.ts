// What an operator does to orders and carts with the temporal CLI, and what comes of it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { cartWorkflowId } from '../../src/contracts/pure/ids.ts';
import { temporalCliPath } from '../../src/embedded/binaries.ts';
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
const run = promisify(execFile);

/** `temporal workflow …` as an operator types it. */
async function temporal(...args: readonly string[]): Promise<string> {
  const { ground } = shop.core();
  const target = ['--address', ground.temporalAddress, '--namespace', ground.namespace];
  const { stdout } = await run(temporalCliPath(process.env), ['workflow', ...args, ...target], { timeout: 60_000 });
  return stdout;
}

async function workflowOf(orderId: string): Promise<string> {
  const row = await shop.core().deps.store.operations.get(shop.tenant().id, orderId);
  return row?.workflow_id ?? assert.fail('there is no such order');
}

async function held(): Promise<string> {
  shop.fulfilment({ outcome: 'held', code: 'fraud_check' });
  const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
  await eventually(async () => (await shop.call('GET', `/v1/operations/${id}`)).body.phase === 'held', WAIT);
  return id;
}

function actorsOf(orderId: string, action: string): Promise<readonly unknown[]> {
  const text = 'select actor from audit_entry where operation_id = $1 and action = $2';
  return shop
    .api()
    .sql(shop.tenant().id, text, [orderId, action])
    .then((rows) => rows.map(({ actor }) => actor));
}

describe('a refund by signal', () => {
  test('is made once however often it is sent, and audited with who asked', async () => {
    const id = await held();
    const workflowId = await workflowOf(id);
    const send = (input: string) => temporal('signal', '--workflow-id', workflowId, '--name', 'refund', '--input', input);
    await send('{"actor":"ops:ada","reason":"scratched","amount":500}');
    await send('{"actor":"ops:ada","reason":"scratched","amount":500}');
    await send('{"actor":"ops:ada","amount":500,"id":"second"}');
    await eventually(async () => (await shop.call('GET', `/v1/orders/${id}`)).body.refundedAmount === 1000, WAIT);
    const { body } = await shop.call('GET', `/v1/orders/${id}/refunds`);
    assert.equal(body.data.length, 2);
    assert.deepEqual(await actorsOf(body.data[0].id, 'operation.accepted'), ['ops:ada']);
    await send('{"actor":"ops:ada","amount":991,"id":"third"}');
    await send('{"actor":"ops:ada","amount":"all of it"}');
    const refusals = () => actorsOf(id, 'order.refund.refused');
    await soon(async () => assert.deepEqual(await refusals(), ['ops:ada', 'ops:ada']));
    await temporal('signal', '--workflow-id', workflowId, '--name', 'approve', '--input', '{"actor":"ops:ada"}');
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'partially_refunded')).refundedAmount, 1000);
  });

  test('after the order’s workflow has ended is a workflow of its own, which says what came of it', async () => {
    const { id: orderId } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await shop.ends(orderId, 'succeeded');
    const workflowId = await workflowOf(orderId);
    await assert.rejects(temporal('signal', '--workflow-id', workflowId, '--name', 'refund', '--input', '{}'), /completed/);
    let nth = 0;
    const ask = (asked: object) => {
      const input = JSON.stringify({ tenantId: shop.tenant().id, orderId, actor: 'ops:ada', ...asked });
      const named = ['--workflow-id', `refund-of-${orderId}-${(nth += 1)}`, '--task-queue', 'core', '--type', 'refundRequest'];
      return temporal('execute', ...named, '--input', input, '--output', 'json');
    };
    const first = await ask({ amount: 500 });
    const { body } = await shop.call('GET', `/v1/orders/${orderId}/refunds`);
    assert.match(first, new RegExp(`"refundId": *"${body.data[0].id}"`));
    assert.match(await ask({ amount: 500 }), new RegExp(body.data[0].id), 'asked twice is one');
    await shop.ends(body.data[0].id, 'succeeded');
    assert.equal((await shop.reaches(orderId, 'partially_refunded')).refundedAmount, 500);
    assert.deepEqual(await actorsOf(body.data[0].id, 'operation.accepted'), ['ops:ada']);
    const refused = (asked: object, why: RegExp) =>
      assert.rejects(ask(asked), ({ stdout }: { readonly stdout: string }) => why.test(stdout));
    await refused({ amount: 1491 }, /Not so much is left/);
    await refused({ orderId: 'somewhere' }, /no such order/);
    await refused({ tenantId: 'nobody' }, /no such order/);
    await refused({ amount: 'all' }, /not understood/);
    assert.deepEqual(await actorsOf(orderId, 'order.refund.refused'), ['ops:ada', 'ops:ada']);
  });

  test('approve, void, capture and reconcile too say who asked', async () => {
    const reserved = { paymentMethod: 'pm_card_visa', captureMethod: 'manual' };
    const [taken, voided] = [await shop.order(reserved), await shop.order(reserved)];
    for (const { id } of [taken, voided]) await shop.reaches(id, 'authorized');
    const send = async (id: string, name: string, input: string) =>
      temporal('signal', '--workflow-id', await workflowOf(id), '--name', name, '--input', input);
    await send(taken.id, 'reconcile', '{"actor":"ops:eve"}');
    await send(taken.id, 'capture', '{"actor":"ops:ada","amount":1000}');
    await send(voided.id, 'void', '{"actor":"ops:bob"}');
    await shop.ends(taken.id, 'succeeded');
    await shop.ends(voided.id, 'cancelled');
    assert.equal((await shop.reaches(taken.id, 'paid')).capturedAmount, 1000);
    const ofTaken = await actorsOf(taken.id, 'operation.signal.received');
    assert.ok(ofTaken.includes('ops:ada') && ofTaken.includes('ops:eve'), ofTaken.join());
    assert.ok((await actorsOf(voided.id, 'operation.signal.received')).includes('ops:bob'));
  });

  test('capture of what is no amount, or more than is reserved, takes nothing and is audited', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa', captureMethod: 'manual' });
    await shop.reaches(id, 'authorized');
    const workflowId = await workflowOf(id);
    const send = (input: string) => temporal('signal', '--workflow-id', workflowId, '--name', 'capture', '--input', input);
    const refused = async (count: number) =>
      soon(async () =>
        assert.deepEqual(
          await actorsOf(id, 'order.capture.refused'),
          Array.from({ length: count }, () => 'ops:ada'),
        ),
      );
    const wrong = ['"1000"', '0', '-5', '10.5', 'null', '1991'];
    for (const [nth, amount] of wrong.entries()) {
      await send(`{"actor":"ops:ada","amount":${amount}}`);
      await refused(nth + 1);
    }
    const order = await shop.reaches(id, 'authorized');
    assert.equal(order.capturedAmount, 0);
    await send('{"actor":"ops:ada","amount":1000}');
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1000);
  });
});

describe('an order’s workflow that an operator', () => {
  test('terminates is listed for a person, and goes on when it is reset', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_authenticationRequired' });
    const { payment } = await shop.reaches(id, 'needs_action');
    const workflowId = await workflowOf(id);
    await temporal('terminate', '--workflow-id', workflowId, '--reason', 'a test');
    const ended = await shop.ends(id, 'failed');
    assert.equal(ended.error?.code, 'terminated');
    const stuck = async () => (await shop.call('GET', `/v1/orders/${id}`)).body.stuck?.reason;
    await eventually(async () => (await stuck()) === 'operation_ended', WAIT);
    await temporal('reset', '--workflow-id', workflowId, '--type', 'LastWorkflowTask', '--reason', 'a test');
    await shop.ends(id, 'running', 'waiting');
    await shop.twin().approve(payment.nextAction?.url ?? '');
    await shop.ends(id, 'succeeded');
    const order = await shop.reaches(id, 'paid');
    assert.deepEqual([order.capturedAmount, order.stuck], [1990, undefined]);
  });

  test('resets after it was paid takes no money again, and sends nothing again', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await shop.ends(id, 'succeeded');
    const before = await shop.reaches(id, 'paid');
    await temporal('reset', '--workflow-id', await workflowOf(id), '--type', 'FirstWorkflowTask', '--reason', 'a test');
    const { run_id: firstRun } = (await shop.core().deps.store.operations.get(shop.tenant().id, id)) ?? assert.fail();
    await eventually(async () => {
      const row = await shop.core().deps.store.operations.get(shop.tenant().id, id);
      return row?.status === 'succeeded' && row.run_id !== firstRun;
    }, WAIT);
    const after = await shop.reaches(id, 'paid');
    const facts = ({ capturedAmount, refundedAmount, fulfilmentReference, receiptId }: typeof after) =>
      JSON.stringify([capturedAmount, refundedAmount, fulfilmentReference, receiptId]);
    assert.equal(facts(after), facts(before));
    const journal = (await shop.twin().audit()).map((entry) => ({ cause: entry.cause, text: JSON.stringify(entry.changes) }));
    const charged = journal.filter(
      ({ cause, text }) => cause !== 'delivery' && text.includes(id) && text.includes('"type":"payment_intent.succeeded"'),
    );
    assert.equal(charged.length, 1);
  });
});

describe('a cart’s workflow that an operator', () => {
  const latest = async (cartId: string) => {
    const { deps, serving } = shop.core();
    const stored = await deps.store.carts.get(shop.tenant().id, cartId);
    const keeper = stored?.cart.keeper ?? 0;
    const handle = serving.temporal.client.workflow.getHandle(cartWorkflowId({ tenantId: shop.tenant().id, cartId, keeper }));
    return {
      keeper,
      status: await handle.describe().then(
        ({ status }) => status.name,
        () => 'UNKNOWN',
      ),
    };
  };
  for (const verb of ['terminate', 'cancel'])
    test(`${verb}s is begun again, and keeps the cart’s time as before`, async () => {
      const { id } = await shop.cart();
      const workflowId = cartWorkflowId({ tenantId: shop.tenant().id, cartId: id, keeper: 1 });
      await eventually(async () => (await latest(id)).status === 'RUNNING', WAIT);
      await temporal(verb, '--workflow-id', workflowId);
      await soon(async () => assert.deepEqual(await latest(id), { keeper: 2, status: 'RUNNING' }));
      const { body } = await shop.call('DELETE', `/v1/carts/${id}/items/gear`);
      assert.deepEqual(body.lines ?? body.items ?? [], []);
    });

  test('resets looks again and goes on', async () => {
    const { id } = await shop.cart();
    const workflowId = cartWorkflowId({ tenantId: shop.tenant().id, cartId: id, keeper: 1 });
    const handle = shop.core().serving.temporal.client.workflow.getHandle(workflowId);
    const waits = () => handle.query<{ waitsFor: string }>('cartWaits').then(({ waitsFor }) => waitsFor);
    await eventually(async () => (await waits()) !== 'start', WAIT);
    const { runId } = await handle.describe();
    await temporal('reset', '--workflow-id', workflowId, '--type', 'FirstWorkflowTask', '--reason', 'a test');
    await eventually(async () => (await handle.describe()).runId !== runId && (await waits()) !== 'start', WAIT);
    assert.deepEqual(await latest(id), { keeper: 1, status: 'RUNNING' });
  });
});
