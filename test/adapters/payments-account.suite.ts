import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { eventually } from '../support/eventually.ts';
import { isInvalid, makeIntent, pay, refusal, RETURN_URL } from './payments.suite.ts';
import type { Cases, TwinSubject } from './payments.suite.ts';

const WAIT_MS = 30_000;

/** Types of the events about one payment, oldest first; events may come a moment after what they tell. */
async function eventsOf(stripe: Stripe, intentId: string, count: number): Promise<readonly string[]> {
  return eventually(
    async () => {
      const { data } = await stripe.events.list({ limit: 100 });
      const own = data.filter(
        ({ data: { object } }) =>
          'id' in object && (object.id === intentId || ('payment_intent' in object && object.payment_intent === intentId)),
      );
      return own.length >= count ? own.map(({ type }) => type).toReversed() : undefined;
    },
    { timeoutMs: WAIT_MS },
  );
}

export function eventCases({ both, twinOnly }: Cases): void {
  both('tells what happened to a payment', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    assert.deepEqual((await eventsOf(stripe, id, 3)).toSorted(), [
      'charge.succeeded',
      'payment_intent.created',
      'payment_intent.succeeded',
    ]);
  });

  both('tells of a decline, an authorization, a capture and a cancellation', async ({ stripe }) => {
    const { id } = await makeIntent(stripe, { capture_method: 'manual' });
    await refusal(stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa_chargeDeclined', return_url: RETURN_URL }));
    await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL });
    await stripe.paymentIntents.capture(id);
    const told = await eventsOf(stripe, id, 7);
    for (const type of [
      'payment_intent.created',
      'charge.failed',
      'payment_intent.payment_failed',
      'charge.succeeded',
      'payment_intent.amount_capturable_updated',
      'charge.captured',
      'payment_intent.succeeded',
    ]) {
      assert.ok(told.includes(type), `${type} in ${told.join(', ')}`);
    }
    const { id: other } = await makeIntent(stripe);
    await stripe.paymentIntents.cancel(other);
    assert.ok((await eventsOf(stripe, other, 2)).includes('payment_intent.canceled'));
  });

  both('tells of approval that is asked for', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_threeDSecure2Required');
    assert.ok((await eventsOf(stripe, id, 2)).includes('payment_intent.requires_action'));
  });

  both('tells of refunds', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    await stripe.refunds.create({ payment_intent: id });
    const told = await eventsOf(stripe, id, 5);
    for (const type of ['refund.created', 'charge.refunded']) assert.ok(told.includes(type), told.join(', '));
  });

  both('shows the object as it was, the version and the request', async ({ stripe }) => {
    const { id } = await makeIntent(stripe, { metadata: { order: '9' } });
    await eventsOf(stripe, id, 1);
    const { data } = await stripe.events.list({ type: 'payment_intent.created', limit: 100 });
    const event = data.find(({ data: { object } }) => 'id' in object && object.id === id) ?? assert.fail('There is no event.');
    assert.deepEqual([event.object, event.livemode, event.api_version], ['event', false, '2026-10-28.endive']);
    assert.match(event.id, /^evt_/);
    assert.match(event.request?.id ?? '', /^req_/);
    assert.ok('metadata' in event.data.object);
    assert.equal((await stripe.events.retrieve(event.id)).type, 'payment_intent.created');
  });

  both('lists events by type and by time', async ({ stripe }) => {
    const { id, created } = await makeIntent(stripe);
    await stripe.paymentIntents.cancel(id);
    await eventsOf(stripe, id, 2);
    const some = await stripe.events.list({ types: ['payment_intent.canceled'], created: { gte: created }, limit: 100 });
    assert.ok(some.data.length > 0 && some.data.every(({ type }) => type === 'payment_intent.canceled'));
    await isInvalid(stripe.events.list({ type: 'a', types: ['b'] }), {});
    assert.equal((await refusal(stripe.events.retrieve('evt_thereIsNone'))).code, 'resource_missing');
  });

  twinOnly('tells the late end of a debit and of a refund', async ({ stripe, twin }) => {
    const debit = await pay(stripe, 'pm_failed_de');
    const card = await pay(stripe, 'pm_card_refundFail');
    await stripe.refunds.create({ payment_intent: card.id });
    await twin.advanceSeconds(5);
    const toldOfDebit = await eventsOf(stripe, debit.id, 5);
    assert.deepEqual(toldOfDebit, [
      'payment_intent.created',
      'charge.pending',
      'payment_intent.processing',
      'charge.failed',
      'payment_intent.payment_failed',
    ]);
    const toldOfRefund = await eventsOf(stripe, card.id, 8);
    for (const type of ['refund.failed', 'refund.updated', 'charge.refund.updated']) assert.ok(toldOfRefund.includes(type), type);
  });

  twinOnly('forgets events after 30 days', async ({ stripe, twin }) => {
    const { id } = await makeIntent(stripe);
    await eventsOf(stripe, id, 1);
    const [event] = (await stripe.events.list({ limit: 1 })).data;
    await twin.advanceSeconds(31 * 86_400);
    assert.equal((await stripe.events.list({ limit: 1 })).data.length, 0);
    assert.equal((await refusal(stripe.events.retrieve(event?.id ?? ''))).code, 'resource_missing');
  });
}

export function accessCases({ both, twinOnly }: Cases): void {
  twinOnly('keeps webhook endpoints, and tells their secret once', async ({ stripe }) => {
    const url = 'http://127.0.0.1:9/hooks';
    const made = await stripe.webhookEndpoints.create({ url, enabled_events: ['payment_intent.succeeded'] });
    assert.match(made.secret ?? '', /^whsec_/);
    const found = await stripe.webhookEndpoints.retrieve(made.id);
    assert.deepEqual([found.secret, found.url, found.status], [undefined, url, 'enabled']);
    assert.equal((await stripe.webhookEndpoints.update(made.id, { disabled: true })).status, 'disabled');
    assert.ok((await stripe.webhookEndpoints.list()).data.some(({ id }) => id === made.id));
    assert.equal((await stripe.webhookEndpoints.del(made.id)).deleted, true);
    assert.equal((await refusal(stripe.webhookEndpoints.retrieve(made.id))).code, 'resource_missing');
  });

  twinOnly('delivers to this machine only', async ({ stripe }) => {
    await isInvalid(stripe.webhookEndpoints.create({ url: 'https://example.com/hooks', enabled_events: ['*'] }), { code: 'url_invalid' });
  });

  twinOnly('lets nobody in without a key of its own', async ({ twin }) => {
    const stranger = new Stripe('sk_test_stranger', placeOf(twin.url));
    const error = await refusal(stranger.paymentIntents.list());
    assert.ok(error instanceof Stripe.errors.StripeAuthenticationError);
    assert.equal((await fetch(`${twin.url}/v1/payment_intents`)).status, 401);
    assert.equal((await fetch(`${twin.url}/_twin/audit`)).status, 401);
  });

  twinOnly('answers nobody who reached it by another name', async ({ twin }) => {
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      const sent = request(twin.url, { headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.once('error', reject);
      sent.end();
    });
    assert.equal(status, 421);
  });

  both('says which routes there are not', async ({ stripe }) => {
    const error = await refusal(stripe.rawRequest('GET', '/v1/there_is_none'));
    assert.equal(error.statusCode, 404);
  });

  twinOnly('takes no card numbers', async ({ stripe }) => {
    const card = { number: '4242424242424242', exp_month: 12, exp_year: 2030, cvc: '123' };
    await isInvalid(stripe.paymentMethods.create({ type: 'card', card }), { param: 'card[number]' });
    await isInvalid(stripe.paymentIntents.create({ amount: 100, currency: 'eur', payment_method_data: { type: 'card' } }), {
      code: 'parameter_unknown',
    });
  });

  twinOnly('lets a browser confirm with the client secret', async (subject) => {
    const { stripe, twin } = subject;
    const intent = await makeIntent(stripe, { metadata: { order: '1' } });
    const shown = await asBrowser(subject, `GET /${intent.id}`, { client_secret: intent.client_secret ?? '' });
    assert.deepEqual([shown.status, shown.body['status'], shown.body['metadata']], [200, 'requires_payment_method', {}]);
    assert.equal(shown.origin, '*');
    const confirmed = await asBrowser(subject, `POST /${intent.id}/confirm`, {
      client_secret: intent.client_secret ?? '',
      payment_method: 'pm_card_visa',
      return_url: RETURN_URL,
    });
    assert.deepEqual([confirmed.status, confirmed.body['status']], [200, 'succeeded']);
    assert.equal((await stripe.paymentIntents.retrieve(intent.id)).amount_received, 2000);
    const preflight = await fetch(`${twin.url}/v1/payment_intents/${intent.id}/confirm`, { method: 'OPTIONS' });
    assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, '*']);
  });

  twinOnly('shows a browser a decline, and nothing of ours in it', async (subject) => {
    const intent = await makeIntent(subject.stripe, { metadata: { order: 'hidden-4711' } });
    const declined = await asBrowser(subject, `POST /${intent.id}/confirm`, {
      client_secret: intent.client_secret ?? '',
      payment_method: 'pm_card_visa_chargeDeclined',
      return_url: RETURN_URL,
    });
    assert.equal(declined.status, 402);
    assert.doesNotMatch(JSON.stringify(declined.body), /hidden-4711/);
  });

  twinOnly('lets a browser do nothing else, and nothing without the secret', async (subject) => {
    const intent = await makeIntent(subject.stripe);
    const secret = { client_secret: intent.client_secret ?? '' };
    assert.equal((await asBrowser(subject, `GET /${intent.id}`, {})).status, 404);
    assert.equal((await asBrowser(subject, `GET /${intent.id}`, { client_secret: `${intent.id}_secret_guessed` })).status, 404);
    assert.equal((await asBrowser(subject, `POST /${intent.id}/confirm`, { payment_method: 'pm_card_visa' })).status, 404);
    assert.equal((await asBrowser(subject, `POST /${intent.id}/cancel`, secret)).status, 401);
    assert.equal((await asBrowser(subject, 'POST ', { amount: '100', currency: 'eur' })).status, 401);
    assert.equal((await subject.stripe.paymentIntents.retrieve(intent.id)).status, 'requires_payment_method');
  });

  twinOnly('finds nothing behind names that mean something to JavaScript', async ({ stripe, twin }) => {
    for (const id of ['__proto__', 'constructor', 'toString'])
      assert.equal((await refusal(stripe.paymentIntents.retrieve(id))).statusCode, 404);
    const headers = { authorization: `Bearer ${twin.account.secretKey}`, 'content-type': 'application/x-www-form-urlencoded' };
    const body = 'amount=100&currency=eur&metadata[__proto__]=x&__proto__[polluted]=1';
    assert.equal((await fetch(`${twin.url}/v1/payment_intents`, { method: 'POST', headers, body })).status, 400);
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  });

  both('keeps the id of a request that carried a key of 255 characters', async ({ stripe }) => {
    const fine = await stripe.customers.create({}, { idempotencyKey: randomUUID().padEnd(255, 'x') });
    assert.match(fine.lastResponse.requestId, /^req_/);
    assert.equal((await refusal(stripe.customers.create({}, { idempotencyKey: 'x'.repeat(256) }))).statusCode, 400);
  });
}

/** Where a client of Stripe's finds a simulator. */
export function placeOf(url: string): Stripe.StripeConfig {
  const { hostname, port } = new URL(url);
  return { host: hostname, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false };
}

/** `GET /pi_…`, `POST /pi_…/confirm`: what follows `/v1/payment_intents`. */
async function asBrowser({ twin }: TwinSubject, request: string, fields: Record<string, string>) {
  const [method = '', path = ''] = request.split(' ');
  const form = new URLSearchParams({ ...fields, key: twin.account.publishableKey });
  const url = `${twin.url}/v1/payment_intents${path}`;
  const response = await (method === 'GET' ? fetch(`${url}?${form.toString()}`) : fetch(url, { method: 'POST', body: form }));
  const body = (await response.json()) as Record<string, unknown>; // an object, as all answers are
  return { status: response.status, body, origin: response.headers.get('access-control-allow-origin') };
}
