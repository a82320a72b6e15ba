import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { eventually } from '../support/eventually.ts';
import { isInvalid, makeIntent, pay, refusal, RETURN_URL } from './payments.suite.ts';
import type { Cases } from './payments.suite.ts';

const WAIT_MS = 30_000;

export function refundCases({ both, twinOnly }: Cases): void {
  both('refunds all of it', async ({ stripe }) => {
    const { id, latest_charge: charge } = await pay(stripe, 'pm_card_visa');
    const refund = await stripe.refunds.create({ payment_intent: id });
    assert.deepEqual(
      [refund.object, refund.amount, refund.currency, refund.payment_intent, refund.charge],
      ['refund', 2000, 'eur', id, charge],
    );
    assert.equal(refund.status, 'succeeded');
    const after = await stripe.charges.retrieve(String(charge));
    assert.deepEqual([after.refunded, after.amount_refunded], [true, 2000]);
    assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'succeeded');
  });

  both('refunds in parts, and then what is left', async ({ stripe }) => {
    const { id, latest_charge: charge } = await pay(stripe, 'pm_card_visa');
    await stripe.refunds.create({ payment_intent: id, amount: 500 });
    assert.equal((await stripe.charges.retrieve(String(charge))).refunded, false);
    await stripe.refunds.create({ payment_intent: id, amount: 700 });
    assert.equal((await stripe.refunds.create({ payment_intent: id })).amount, 800);
    assert.deepEqual(
      (await stripe.refunds.list({ payment_intent: id })).data.map(({ amount }) => amount),
      [800, 700, 500],
    );
  });

  both('refunds no more than was paid', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    await isInvalid(stripe.refunds.create({ payment_intent: id, amount: 2001 }), { param: 'amount' });
    await stripe.refunds.create({ payment_intent: id, amount: 1500 });
    await isInvalid(stripe.refunds.create({ payment_intent: id, amount: 501 }), { param: 'amount' });
    for (const amount of [0, -1]) await isInvalid(stripe.refunds.create({ payment_intent: id, amount }), { param: 'amount' });
  });

  both('refunds no fractions that the currency does not have', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { amount: 6250, currency: 'kwd' });
    await isInvalid(stripe.refunds.create({ payment_intent: id, amount: 1995 }), {});
    assert.equal((await stripe.refunds.create({ payment_intent: id, amount: 1990 })).amount, 1990);
  });

  both('refunds nothing twice', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    await stripe.refunds.create({ payment_intent: id });
    await isInvalid(stripe.refunds.create({ payment_intent: id }), { code: 'charge_already_refunded' });
  });

  both('refunds nothing that was not paid', async ({ stripe }) => {
    await isInvalid(stripe.refunds.create({ payment_intent: (await makeIntent(stripe)).id }), {});
    await isInvalid(stripe.refunds.create({ payment_intent: (await pay(stripe, 'pm_card_visa', { capture_method: 'manual' })).id }), {});
    await isInvalid(stripe.refunds.create({}), {});
    assert.equal((await refusal(stripe.refunds.create({ payment_intent: 'pi_thereIsNone' }))).code, 'resource_missing');
  });

  both('refunds a charge by its own id', async ({ stripe }) => {
    const { id, latest_charge: charge } = await pay(stripe, 'pm_card_visa');
    const refund = await stripe.refunds.create({
      charge: String(charge),
      amount: 100,
      reason: 'requested_by_customer',
      metadata: { line: '1' },
    });
    assert.deepEqual([refund.payment_intent, refund.reason, refund.metadata?.['line']], [id, 'requested_by_customer', '1']);
    const { data } = await stripe.refunds.list({ charge: String(charge) });
    assert.deepEqual(
      data.map((one) => one.id),
      [refund.id],
    );
  });

  both('takes a refund out of the balance', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    const { id: refund, balance_transaction: booked } = await stripe.refunds.create({
      payment_intent: id,
      amount: 300,
      expand: ['balance_transaction'],
    });
    assert.ok(typeof booked === 'object' && booked !== null);
    assert.deepEqual([booked.type, booked.amount, booked.net, booked.source], ['refund', -300, -300 - booked.fee, refund]);
  });

  both('can be found, and given other metadata', async ({ stripe }) => {
    const { id: intent } = await pay(stripe, 'pm_card_visa');
    const { id } = await stripe.refunds.create({ payment_intent: intent, metadata: { a: '1' } });
    assert.deepEqual({ ...(await stripe.refunds.update(id, { metadata: { b: '2' } })).metadata }, { a: '1', b: '2' });
    assert.equal((await stripe.refunds.retrieve(id)).id, id);
    assert.equal((await refusal(stripe.refunds.retrieve('re_thereIsNone'))).code, 'resource_missing');
  });

  both('cancels no refund of a card', async ({ stripe }) => {
    const { id: intent } = await pay(stripe, 'pm_card_visa');
    const { id } = await stripe.refunds.create({ payment_intent: intent });
    assert.equal((await refusal(stripe.refunds.cancel(id))).statusCode, 400);
  });

  both('keeps some refunds pending for a while', async ({ stripe }) => {
    const { id: intent } = await pay(stripe, 'pm_card_pendingRefund');
    const { id, status } = await stripe.refunds.create({ payment_intent: intent });
    assert.equal(status, 'pending');
    await eventually(async () => (await stripe.refunds.retrieve(id)).status === 'succeeded', { timeoutMs: WAIT_MS });
  });

  both('gives the money back to us when a refund fails', async ({ stripe }) => {
    const { id: intent, latest_charge: charge } = await pay(stripe, 'pm_card_refundFail');
    const { id, amount } = await stripe.refunds.create({ payment_intent: intent });
    const failed = await eventually(
      async () => {
        const refund = await stripe.refunds.retrieve(id, { expand: ['failure_balance_transaction'] });
        return refund.status === 'failed' ? refund : undefined;
      },
      { timeoutMs: WAIT_MS },
    );
    const returned = failed.failure_balance_transaction;
    assert.ok(typeof returned === 'object');
    assert.equal(returned.amount, amount);
    assert.equal(typeof failed.failure_reason, 'string');
    assert.equal((await stripe.charges.retrieve(String(charge))).amount_refunded, 0);
  });

  twinOnly('adds every movement up to the balance', async ({ stripe }) => {
    const paid = await pay(stripe, 'pm_card_visa', { currency: 'sek', amount: 5000 });
    await stripe.refunds.create({ payment_intent: paid.id, amount: 1200 });
    const failing = await pay(stripe, 'pm_card_refundFail', { currency: 'sek', amount: 700 });
    await stripe.refunds.create({ payment_intent: failing.id });
    const movements = await stripe.balanceTransactions.list({ currency: 'sek', limit: 100 });
    const sum = movements.data.reduce((total, { net }) => total + net, 0);
    const { available, pending } = await stripe.balance.retrieve();
    const held = [...available, ...pending].filter(({ currency }) => currency === 'sek').reduce((total, { amount }) => total + amount, 0);
    assert.equal(held, sum);
    assert.ok(movements.data.length >= 4);
  });

  both('lists movements of one object, and of one kind', async ({ stripe }) => {
    const { id, latest_charge: charge } = await pay(stripe, 'pm_card_visa');
    await stripe.refunds.create({ payment_intent: id, amount: 400 });
    const ofCharge = await stripe.balanceTransactions.list({ source: String(charge) });
    assert.deepEqual(
      ofCharge.data.map(({ type }) => type),
      ['charge'],
    );
    const refunds = await stripe.balanceTransactions.list({ type: 'refund', limit: 1 });
    assert.equal(refunds.data[0]?.amount, -400);
    const found = await stripe.balanceTransactions.retrieve(ofCharge.data[0]?.id ?? '');
    assert.equal(found.source, charge);
  });
}

export function idempotencyCases({ both, twinOnly }: Cases): void {
  both('answers a repeated request with the first answer', async ({ stripe }) => {
    const options = { idempotencyKey: randomUUID() };
    const first = await stripe.paymentIntents.create({ amount: 1000, currency: 'eur' }, options);
    const second = await stripe.paymentIntents.create({ amount: 1000, currency: 'eur' }, options);
    assert.equal(second.id, first.id);
    assert.deepEqual(
      [first, second].map(({ lastResponse }) => lastResponse.headers['idempotent-replayed']),
      [undefined, 'true'],
    );
  });

  both('makes one refund for one key', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    const options = { idempotencyKey: randomUUID() };
    const refunds = [
      await stripe.refunds.create({ payment_intent: id, amount: 100 }, options),
      await stripe.refunds.create({ payment_intent: id, amount: 100 }, options),
    ];
    assert.equal(refunds[0]?.id, refunds[1]?.id);
    assert.equal((await stripe.refunds.list({ payment_intent: id })).data.length, 1);
  });

  both('refuses a key with other parameters', async ({ stripe }) => {
    const options = { idempotencyKey: randomUUID() };
    await stripe.paymentIntents.create({ amount: 1000, currency: 'eur' }, options);
    const error = await refusal(stripe.paymentIntents.create({ amount: 1001, currency: 'eur' }, options));
    assert.ok(error instanceof Stripe.errors.StripeIdempotencyError);
    assert.equal(error.statusCode, 400);
  });

  both('refuses a key at another route', async ({ stripe }) => {
    const options = { idempotencyKey: randomUUID() };
    const { id } = await stripe.paymentIntents.create({ amount: 1000, currency: 'eur' }, options);
    assert.ok((await refusal(stripe.paymentIntents.cancel(id, {}, options))) instanceof Stripe.errors.StripeIdempotencyError);
  });

  both('keeps a decline', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    const options = { idempotencyKey: randomUUID() };
    const request = { payment_method: 'pm_card_visa_chargeDeclined', return_url: RETURN_URL };
    const first = await refusal(stripe.paymentIntents.confirm(id, request, options));
    const second = await refusal(stripe.paymentIntents.confirm(id, request, options));
    assert.deepEqual([second.code, second.charge], [first.code, first.charge]);
    assert.equal(second.headers?.['idempotent-replayed'], 'true');
    assert.equal((await stripe.charges.list({ payment_intent: id })).data.length, 1);
  });

  both('keeps no refusal of parameters', async ({ stripe }) => {
    const options = { idempotencyKey: randomUUID() };
    await isInvalid(stripe.paymentIntents.create({ amount: 0, currency: 'eur' }, options), {});
    assert.equal((await stripe.paymentIntents.create({ amount: 1000, currency: 'eur' }, options)).amount, 1000);
  });

  twinOnly('lets no two requests run under one key', async ({ stripe, twin }) => {
    await twin.setFaults({ seed: 'slow', requests: [{ kind: 'slow', share: 1, route: 'POST /v1/customers', delayMs: 3000 }] });
    const options = { idempotencyKey: randomUUID() };
    const first = stripe.customers.create({ name: 'Ada' }, options);
    const error = await eventually(() =>
      stripe.customers.create({ name: 'Ada' }, options).then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    await twin.setFaults({});
    assert.ok(error instanceof Stripe.errors.StripeError);
    assert.deepEqual([error.statusCode, error.code], [409, 'idempotency_key_in_use']);
    const { id } = await first;
    assert.equal((await stripe.customers.create({ name: 'Ada' }, options)).id, id);
  });

  twinOnly('forgets a key after a day', async ({ stripe, twin }) => {
    const options = { idempotencyKey: randomUUID() };
    const first = await stripe.customers.create({ name: 'Ada' }, options);
    await twin.advanceSeconds(86_000);
    assert.equal((await stripe.customers.create({ name: 'Ada' }, options)).id, first.id);
    await twin.advanceSeconds(500);
    const second = await stripe.customers.create({ name: 'Ada' }, options);
    assert.notEqual(second.id, first.id);
    assert.equal((await stripe.customers.create({ name: 'Ada' }, options)).id, second.id);
  });

  twinOnly('keeps a 500', async ({ stripe, twin }) => {
    const options = { idempotencyKey: randomUUID() };
    const name = randomUUID();
    await twin.setFaults({ seed: '1', requests: [{ kind: 'error_500', share: 1, route: 'POST /v1/customers' }] });
    assert.equal((await refusal(stripe.customers.create({ email: name }, options))).statusCode, 500);
    await twin.setFaults({});
    const again = await refusal(stripe.customers.create({ email: name }, options));
    assert.deepEqual([again.statusCode, again.headers?.['idempotent-replayed']], [500, 'true']);
    assert.equal((await stripe.customers.list({ email: name })).data.length, 0);
  });
}

export function customerCases({ both }: Cases): void {
  both('keeps customers', async ({ stripe }) => {
    const email = `${randomUUID()}@example.com`;
    const { id } = await stripe.customers.create({ email, name: 'Ada', metadata: { a: '1' } });
    assert.equal((await stripe.customers.update(id, { name: 'Grace' })).name, 'Grace');
    const found = await stripe.customers.retrieve(id);
    assert.ok(found.deleted !== true);
    assert.deepEqual([found.email, found.name, found.metadata['a']], [email, 'Grace', '1']);
    assert.deepEqual(
      (await stripe.customers.list({ email })).data.map((one) => one.id),
      [id],
    );
    assert.equal((await stripe.customers.del(id)).deleted, true);
    assert.equal((await stripe.customers.list({ email })).data.length, 0);
  });

  both('attaches payment methods to customers, and detaches them', async ({ stripe }) => {
    const { id: customer } = await stripe.customers.create({});
    const method = await stripe.paymentMethods.attach('pm_card_visa', { customer });
    assert.deepEqual([method.customer, method.card?.last4], [customer, '4242']);
    assert.deepEqual(
      (await stripe.paymentMethods.list({ customer, type: 'card' })).data.map(({ id }) => id),
      [method.id],
    );
    assert.equal((await stripe.customers.listPaymentMethods(customer)).data.length, 1);
    assert.equal((await stripe.paymentMethods.detach(method.id)).customer, null);
    assert.equal((await stripe.paymentMethods.list({ customer, type: 'card' })).data.length, 0);
    assert.equal((await stripe.paymentMethods.retrieve(method.id)).id, method.id);
  });

  both("uses a customer's payment method again and again", async ({ stripe }) => {
    const { id: customer } = await stripe.customers.create({});
    const { id: method } = await stripe.paymentMethods.attach('pm_card_visa', { customer });
    for (let count = 0; count < 2; count++) assert.equal((await pay(stripe, method, { customer })).status, 'succeeded');
  });

  both("refuses another customer's payment method", async ({ stripe }) => {
    const [mine, other] = [await stripe.customers.create({}), await stripe.customers.create({})];
    const { id: method } = await stripe.paymentMethods.attach('pm_card_visa', { customer: mine.id });
    await isInvalid(pay(stripe, method, { customer: other.id }), {});
    await isInvalid(pay(stripe, method), {});
    assert.equal((await refusal(makeIntent(stripe, { customer: 'cus_thereIsNone' }))).code, 'resource_missing');
  });

  both('makes a payment method of a test token', async ({ stripe }) => {
    const method = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
    assert.deepEqual([method.type, method.card?.brand, method.customer], ['card', 'visa', null]);
    assert.equal((await pay(stripe, method.id)).status, 'succeeded');
  });
}
