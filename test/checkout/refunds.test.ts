// Money that goes back, the books, and what is told late, twice or never.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, describe, test } from 'node:test';
import pg from 'pg';
import { KINDS } from '../../src/contracts/kinds.ts';
import { assertProblem } from '../api/fixture.ts';
import { eventually } from '../support/eventually.ts';
import { useShop } from './world.ts';

const shop = useShop();
let owner: pg.Client | undefined;
after(() => owner?.end());

async function paid(paymentMethod = 'pm_card_visa'): Promise<string> {
  const { id } = await shop.order({ paymentMethod });
  await shop.ends(id, 'succeeded');
  return id;
}

function refund(orderId: string, body: object = {}) {
  return shop.call('POST', `/v1/orders/${orderId}/refunds`, body);
}

/** A refund of 15.00 that nobody begins yet. */
async function waiting(orderId: string): Promise<string> {
  const now = new Date();
  const accepted = await shop.core().deps.store.checkout.acceptRefund({
    ...{ tenantId: shop.tenant().id, kind: KINDS.refund, actor: { actor: 'test' }, now },
    start: { startAt: new Date(now.getTime() + 3_600_000) },
    input: { orderId, amount: 1500 },
  });
  assert.ok('operation' in accepted);
  return accepted.operation.id;
}

/** What the provider has for us. */
async function providerBalance(): Promise<number> {
  const payments = shop.core().deps.payments;
  let sum = 0;
  let last: string | undefined;
  do {
    const answer = await payments.listBalanceTransactions(last === undefined ? {} : { after: last });
    assert.ok(answer.outcome === 'found');
    sum += answer.value.items.reduce((total, { net, currency }) => total + (currency === 'EUR' ? net : 0), 0);
    last = answer.value.next;
  } while (last !== undefined);
  return sum;
}

describe('a refund', () => {
  test('in parts, then of the rest; never more than was taken', async () => {
    const id = await paid();
    const first = await refund(id, { amount: 500, reason: 'duplicate' });
    assert.equal(first.status, 202, first.text);
    const ended = await shop.ends(first.body.id, 'succeeded');
    assert.deepEqual(ended.result, { state: 'succeeded', refundedAmount: 500 });
    assert.equal((await shop.reaches(id, 'partially_refunded')).refundedAmount, 500);
    const tooMuch = await refund(id, { amount: 1491 });
    assert.deepEqual([tooMuch.status, tooMuch.body.code], [409, 'refund_too_large']);
    const rest = await refund(id);
    await shop.ends(rest.body.id, 'succeeded');
    assert.equal((await shop.reaches(id, 'refunded')).refundedAmount, 1990);
    const { body } = await shop.call('GET', `/v1/orders/${id}/refunds`);
    assert.deepEqual(
      body.data.map((row: { money: { amount: number }; state: string }) => [row.money.amount, row.state]),
      [
        [1490, 'succeeded'],
        [500, 'succeeded'],
      ],
    );
    assert.equal((await refund(id)).body.code, 'refund_too_large');
  });

  test('asked for twice at once takes the money once', async () => {
    const id = await paid();
    const answers = await Promise.all([refund(id), refund(id), refund(id)]);
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [202, 409, 409],
    );
  });

  test('with the same Idempotency-Key is one', async () => {
    const id = await paid();
    const options = { key: shop.tenant().key, body: { amount: 100 }, headers: { 'Idempotency-Key': `refund-${id}` } };
    const ask = () => shop.api().call('POST', `/v1/orders/${id}/refunds`, options);
    const [first, second] = [await ask(), await ask()];
    assert.equal(first.body.id, second.body.id);
    await shop.ends(first.body.id, 'succeeded');
    assert.equal((await shop.reaches(id, 'partially_refunded')).refundedAmount, 100);
  });

  test('without an Idempotency-Key is not made, however it is asked for', async () => {
    const id = await paid();
    const { key } = shop.tenant();
    const input = { orderId: id, amount: 100 };
    const made = await refund(id, { amount: 100 });
    await shop.ends(made.body.id, 'succeeded');
    for (const [path, body] of [
      [`/v1/orders/${id}/refunds`, { amount: 100 }],
      ['/v1/operations', { kind: 'refund', input }],
      [`/v1/operations/${made.body.id}/retry`, {}],
    ] as const)
      assertProblem(await shop.api().call('POST', path, { key, body }), 400, 'idempotency_key_required');
    const cart = await shop.cart();
    const order = await shop.api().call('POST', `/v1/carts/${cart.id}/checkout`, { key, body: { quoteHash: cart.quote.quoteHash } });
    assertProblem(order, 400, 'idempotency_key_required');
    assert.equal((await shop.call('GET', `/v1/orders/${id}/refunds`)).body.data.length, 1);
  });

  test('that the bank takes its time over is pending, then done', async () => {
    const id = await paid('pm_card_pendingRefund');
    const { body } = await refund(id);
    await shop.ends(body.id, 'succeeded');
    await shop.reaches(id, 'refunded');
  });

  test('is retried on its first terms only', async () => {
    const [id, other] = [await paid(), await paid()];
    await shop
      .twin()
      .setFaults({ seed: 'retried', requests: [{ kind: 'rate_limited', share: 1, route: 'POST /v1/refunds', attempts: 1_000 }] });
    const { body } = await refund(id, { amount: 500 });
    await shop.ends(body.id, 'running', 'waiting');
    await shop.call('POST', `/v1/operations/${body.id}/cancel`, {});
    await shop.ends(body.id, 'cancelled');
    await shop.twin().setFaults({ requests: [] });
    const retry = (again: object) => shop.call('POST', `/v1/operations/${body.id}/retry`, again);
    for (const input of [{ orderId: other, amount: 500 }, { orderId: id, amount: 300 }, { orderId: id }]) {
      const edited = await retry({ input });
      assert.deepEqual([edited.status, edited.body.code], [409, 'operation_input_fixed']);
    }
    const retried = await retry({ input: { orderId: id, amount: 500 } });
    assert.equal(retried.status, 202, retried.text);
    await shop.ends(retried.body.id, 'succeeded');
    assert.equal((await shop.reaches(id, 'partially_refunded')).refundedAmount, 500);
  });

  test('cancelled before it was begun leaves all of the money to another', async () => {
    const id = await paid();
    const refundId = await waiting(id);
    assert.equal((await refund(id, { amount: 491 })).body.code, 'refund_too_large');
    const cancelled = await shop.call('POST', `/v1/operations/${refundId}/cancel`, {});
    assert.equal(cancelled.body.status, 'cancelled', cancelled.text);
    const another = await refund(id, { amount: 1500 });
    assert.equal(another.status, 202, another.text);
    await shop.ends(another.body.id, 'succeeded');
    const { body } = await shop.call('GET', `/v1/orders/${id}/refunds`);
    assert.deepEqual(
      body.data.map(({ state }: { state: string }) => state),
      ['succeeded', 'cancelled'],
    );
  });

  test('that the provider may have been told of when its work ended is listed, until a retry finds out', async () => {
    const id = await paid();
    const refundId = await waiting(id);
    const tenantId = shop.tenant().id;
    const { store } = shop.core().deps;
    const order = await store.checkout.orders.get(tenantId, id);
    const digest = createHash('sha256')
      .update(JSON.stringify([order?.intent_id, 1500]))
      .digest('hex');
    // As a process leaves it that died over the provider's answer.
    const begun = `insert into effect (tenant_id, key, root_id, operation_id, step, generation, state, fence, until, request_digest, created_at, updated_at)
      values ($1, $2 || '/refund#1', $2::uuid, $2::uuid, 'refund', 1, 'sending', 1, now() - interval '1 minute', $3, now(), now()) returning key`;
    assert.equal((await shop.api().sql(tenantId, begun, [tenantId, refundId, digest])).length, 1);
    await shop.call('POST', `/v1/operations/${refundId}/cancel`, {});
    assert.equal(await store.checkout.refunds.settleAbandoned({ tenantId, orderId: id, now: new Date() }), 'stuck');
    assert.equal((await shop.reaches(id, 'paid')).stuck?.reason, 'refund_abandoned');
    assert.equal((await refund(id, { amount: 1500 })).body.code, 'refund_too_large');
    const retried = await shop.call('POST', `/v1/operations/${refundId}/retry`, {});
    await shop.ends(retried.body.id, 'succeeded');
    const known = await shop.reaches(id, 'partially_refunded');
    assert.deepEqual([known.refundedAmount, known.stuck], [1500, undefined]);
  });

  test('that the bank returns is told as that, and the order is not told to be paid once more', async () => {
    const id = await paid('pm_card_refundFail');
    await shop.ends((await refund(id)).body.id, 'succeeded', 'failed');
    await eventually(async () => (await shop.call('GET', `/v1/orders/${id}`)).body.stuck?.reason === 'refund_failed', {
      timeoutMs: 150_000,
    });
    const order = await shop.reaches(id, 'paid');
    assert.deepEqual([order.refundedAmount, order.stuck?.untilRefunded], [0, 1990]);
    const tenantId = shop.tenant().id;
    const told = (await shop.api().sql(tenantId, "select type from event where data->>'orderId' = $1 order by id", [id])).map(
      ({ type }) => type,
    );
    assert.equal(told.filter((type) => type === 'order.paid').length, 1, told.join());
    assert.ok(told.indexOf('order.refund_failed') > told.indexOf('order.refunded'), told.join());
    const row = await shop.core().deps.store.checkout.orders.get(tenantId, id);
    const steps = await shop.api().sql(tenantId, 'select type from stream_event where stream_id = $1 order by seq', [row?.stream_id]);
    assert.equal(
      steps.findIndex(({ type }) => type === 'done'),
      steps.length - 1,
      'nothing comes after the end',
    );
  });

  test('of an order that was not paid, or of nobody’s', async () => {
    const { id } = await shop.order();
    assert.equal((await refund(id)).body.code, 'refund_too_large');
    assert.equal((await refund('019ab6a0-7c00-7000-8000-0000000000ff')).status, 404);
    for (const amount of [0, -1, 1.5, 1e12, '5']) assert.equal((await refund(id, { amount })).status, 400, String(amount));
  });
});

describe('the ledger', () => {
  test('has what the provider has, and adds up to nothing', async () => {
    const id = await paid();
    await shop.ends((await refund(id, { amount: 700 })).body.id, 'succeeded');
    await eventually(async () => (await shop.balance('provider_clearing')) === (await providerBalance()), { timeoutMs: 150_000 });
    const { body } = await shop.call('GET', '/v1/ledger/balance');
    const sums = new Map<string, number>();
    for (const { currency, balance } of body.accounts as readonly { currency: string; balance: number }[])
      sums.set(currency, (sums.get(currency) ?? 0) + balance);
    assert.deepEqual([...new Set(sums.values())], [0]);
    assert.equal(await shop.balance('customer_receivable'), 0);
  });

  test('takes nothing that does not add up, and changes nothing that is in it', async () => {
    const { id: tenantId } = shop.tenant();
    const orderId = await paid();
    const sql = (text: string, values: readonly unknown[] = []) => shop.api().sql(tenantId, text, values);
    const crooked = `with t as (
        insert into ledger_transaction (id, tenant_id, order_id, source_kind, source_id, at)
        values (gen_random_uuid(), $1, $2, 'sale', 'crooked', now()) returning id)
      insert into ledger_entry (transaction_id, leg, tenant_id, account, currency, amount) select id, 0, $1, 'revenue', 'EUR', -5 from t`;
    await assert.rejects(sql(crooked, [tenantId, orderId]), /does not add up/);
    await assert.rejects(sql('update ledger_entry set amount = 1'), /permission denied/);
    owner = new pg.Client({ connectionString: shop.core().ground.ownerUrl });
    await owner.connect();
    await assert.rejects(owner.query('delete from ledger_entry'), /only added to/);
  });
});

describe('a webhook', () => {
  test('without a signature, or with a wrong one, is refused, and nothing is stored', async () => {
    const body = JSON.stringify({ id: 'evt_forged', object: 'event', type: 'payment_intent.succeeded' });
    for (const signature of [undefined, 't=1,v1=00']) {
      const response = await fetch(`${shop.api().url}/hooks/stripe`, {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/json', ...(signature === undefined ? {} : { 'Stripe-Signature': signature }) },
      });
      assert.equal(response.status, 400);
      assert.equal(((await response.json()) as { code: string }).code, 'invalid_signature'); // a problem
    }
    owner ??= new pg.Client({ connectionString: shop.core().ground.ownerUrl });
    const { rows } = await owner.query('select * from stripe_inbox where event_id = $1', ['evt_forged']);
    assert.deepEqual(rows, []);
  });
});
