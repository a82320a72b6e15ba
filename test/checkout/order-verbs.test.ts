// What people ask of orders, what is undone, and how orders end early.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FulfilmentReport } from '../../src/adapters/fulfilment.ts';
import type { EmailContent } from '../../src/contracts/email.ts';
import { eventually } from '../support/eventually.ts';
import { useShop } from './world.ts';

const shop = useShop({ payWithinMs: 20_000 });

function verb(orderId: string, name: string, body: object = {}) {
  return shop.call('POST', `/v1/orders/${orderId}/${name}`, body);
}

async function cartOf(orderId: string) {
  const { body } = await shop.call('GET', `/v1/orders/${orderId}`);
  return (await shop.call('GET', `/v1/carts/${body.cartId}`)).body;
}

/** Waits until whoever ships is being asked. */
async function fulfilling(orderId: string): Promise<void> {
  const asked = "select 1 from effect where root_id = $1 and step = 'fulfil' and state = 'sending'";
  await eventually(async () => (await shop.api().sql(shop.tenant().id, asked, [orderId])).length === 1, { timeoutMs: 150_000 });
}

/** Waits until the order's workflow has heard what it was told. */
async function told(orderId: string): Promise<void> {
  const heard = "select 1 from audit_entry where operation_id = $1 and action = 'operation.signal.received'";
  await eventually(async () => (await shop.api().sql(shop.tenant().id, heard, [orderId])).length > 0, { timeoutMs: 150_000 });
}

describe('a debit that the bank refuses', () => {
  test('days after the time to pay was over: the buyer has it once more, on the same order', async () => {
    const { id } = await shop.order({ paymentMethod: 'pm_failedDelayed_de' });
    await shop.reaches(id, 'processing');
    const late = "update checkout_order set pay_until = now() - interval '3 days' where id = $1 returning id";
    assert.equal((await shop.api().sql(shop.tenant().id, late, [id])).length, 1);
    await shop.twin().advanceSeconds(200);
    const { payment } = await shop.reaches(id, 'needs_payment_method');
    assert.ok(payment.declined !== undefined);
    assert.equal((await shop.call('POST', `/v1/orders/${id}/payment`, { paymentMethod: 'pm_card_visa' })).status, 202);
    await shop.ends(id, 'succeeded');
    assert.equal((await shop.reaches(id, 'paid')).capturedAmount, 1990);
  });
});

describe('an order that comes to nothing', () => {
  test('since nobody paid in time: the payment is cancelled, the goods are free', async () => {
    await shop.product('abandoned', 1);
    const { id } = await shop.order({}, { items: [{ sku: 'abandoned', quantity: 1 }] });
    await shop.reaches(id, 'needs_payment_method');
    // As a process leaves it that died over the answer: how the order ends must not be unknown for it.
    const begun =
      "update effect set state = 'sending', until = now() - interval '1 minute' where root_id = $1 and step = 'intent' returning step";
    assert.equal((await shop.api().sql(shop.tenant().id, begun, [id])).length, 1);
    const ended = await shop.ends(id, 'failed');
    assert.equal(ended.error?.code, 'payment_abandoned');
    assert.equal((await shop.reaches(id, 'failed')).state, 'failed');
    assert.deepEqual(await shop.stock('abandoned'), { stock: 1, available: 1 });
    assert.equal((await cartOf(id)).status, 'open');
  });

  test('since the goods can not be sent: the buyer has all money back', async () => {
    await shop.product('refused', 1);
    shop.fulfilment({ outcome: 'refused', code: 'address' });
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' }, { items: [{ sku: 'refused', quantity: 1 }] });
    const ended = await shop.ends(id, 'failed');
    assert.equal(ended.error?.code, 'not_fulfilled');
    const order = await shop.reaches(id, 'refunded');
    assert.deepEqual([order.capturedAmount, order.refundedAmount], [1990, 1990]);
    const mails = "select input from operation where kind = 'email' and natural_key like '%' || $1";
    const [row, ...more] = await eventually(
      async () => {
        const rows = await shop.api().sql(shop.tenant().id, mails, [id]);
        return rows.length > 0 ? rows : undefined;
      },
      { timeoutMs: 150_000 },
    );
    assert.deepEqual(more, []);
    const mail = row?.['input'] as EmailContent; // as the e-mail feature keeps it
    assert.equal(mail.subject, `Your order ${id} was not carried out`);
    assert.match(mail.text ?? '', /given\s+€19\.90\s+back/);
    assert.deepEqual(await shop.stock('refused'), { stock: 1, available: 1 });
    assert.equal((await cartOf(id)).status, 'open');
  });

  test('whose refund the bank takes back is listed for a person', async () => {
    shop.fulfilment({ outcome: 'refused', code: 'address' });
    const { id } = await shop.order({ paymentMethod: 'pm_card_refundFail' });
    await shop.ends(id, 'failed');
    await eventually(
      async () => {
        const { body } = await shop.call('GET', '/v1/orders?stuck=true');
        return body.data.some((row: { id: string }) => row.id === id);
      },
      { timeoutMs: 150_000 },
    );
    const order = await shop.reaches(id, 'paid');
    assert.deepEqual([order.stuck?.reason, order.refundedAmount], ['refund_failed', 0]);
  });

  test('voided while whoever ships can not be reached: the money goes back, and nothing is sent', async () => {
    const asked = Promise.withResolvers<FulfilmentReport>();
    shop.fulfilment(asked.promise);
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await fulfilling(id);
    assert.equal((await verb(id, 'void')).status, 202);
    await told(id);
    asked.resolve({ outcome: 'not_done' });
    await shop.ends(id, 'cancelled');
    const order = await shop.reaches(id, 'refunded');
    assert.deepEqual([order.refundedAmount, order.fulfilmentReference], [1990, undefined]);
  });

  test('voided too late, while whoever ships takes the goods, is sent; and the audit log says so', async () => {
    const asked = Promise.withResolvers<FulfilmentReport>();
    shop.fulfilment(asked.promise);
    const { id } = await shop.order({ paymentMethod: 'pm_card_visa' });
    await fulfilling(id);
    assert.equal((await verb(id, 'void')).status, 202);
    await told(id);
    asked.resolve({ outcome: 'accepted', reference: 'on-its-way' });
    await shop.ends(id, 'succeeded');
    const rows = await shop
      .api()
      .sql(shop.tenant().id, "select 1 from audit_entry where operation_id = $1 and action = 'order.void.refused'", [id]);
    assert.equal(rows.length, 1);
    assert.equal((await verb(id, 'void')).status, 409);
  });

  test('held by whoever ships: approve sends it, void gives the money back', async () => {
    shop.fulfilment({ outcome: 'held', code: 'fraud_check' });
    const first = await shop.order({ paymentMethod: 'pm_card_visa' });
    await eventually(async () => (await shop.call('GET', `/v1/operations/${first.id}`)).body.phase === 'held', {
      timeoutMs: 150_000,
    });
    await verb(first.id, 'approve');
    await shop.ends(first.id, 'succeeded');
    shop.fulfilment({ outcome: 'held', code: 'fraud_check' }, { outcome: 'held', code: 'fraud_check' });
    const second = await shop.order({ paymentMethod: 'pm_card_visa' });
    await eventually(async () => (await shop.call('GET', `/v1/operations/${second.id}`)).body.phase === 'held', {
      timeoutMs: 150_000,
    });
    await verb(second.id, 'void');
    await shop.reaches(second.id, 'refunded');
    await shop.ends(second.id, 'cancelled');
  });
});
