import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import Stripe from 'stripe';
import type { TwinControl } from '../support/stripe-twin.ts';

/** Something that speaks as Stripe does: Stripe's test mode, or the simulator. */
export interface StripeTarget extends AsyncDisposable {
  readonly stripe: Stripe;
  /** The simulator's own ways; absent for Stripe itself. */
  readonly twin?: TwinControl;
}
type Open = () => Promise<StripeTarget>;

export const RETURN_URL = 'https://shop.example.com/back';

/** One case's view of the target. */
export interface Subject {
  readonly stripe: Stripe;
}
export interface TwinSubject extends Subject {
  readonly twin: TwinControl;
}

/** Says what holds for Stripe and the simulator alike, and what only the simulator can show. */
export interface Cases {
  both(name: string, run: (subject: Subject) => Promise<void>): void;
  /** Needs the simulator's clock, its faults, or the page of its bank. */
  twinOnly(name: string, run: (subject: TwinSubject) => Promise<void>): void;
}

/** Runs cases against a target that they share; each makes objects of its own. */
export function suiteOf(
  title: string,
  driver: { readonly name: string; readonly open: Open; readonly isTwin: boolean },
  add: (cases: Cases) => void,
): void {
  describe(`${title}: ${driver.name}`, () => {
    let target: StripeTarget | undefined;
    before(async () => {
      target = await driver.open();
    });
    after(() => target?.[Symbol.asyncDispose]());
    add({
      both: (name, run) => it(name, () => run(target ?? assert.fail('It did not open.'))),
      twinOnly: (name, run) => {
        if (!driver.isTwin) return;
        it(name, () =>
          run({ stripe: target?.stripe ?? assert.fail('It did not open.'), twin: target?.twin ?? assert.fail('It is none.') }),
        );
      },
    });
  });
}

/** An intent that waits for a payment method; captured at once when paid. */
export function makeIntent(stripe: Stripe, given: Partial<Stripe.PaymentIntentCreateParams> = {}): Promise<Stripe.PaymentIntent> {
  return stripe.paymentIntents.create({ amount: 2000, currency: 'eur', capture_method: 'automatic', ...given });
}

/** An intent after it was confirmed by a test method. */
export function pay(stripe: Stripe, method: string, given: Partial<Stripe.PaymentIntentCreateParams> = {}): Promise<Stripe.PaymentIntent> {
  return makeIntent(stripe, { confirm: true, payment_method: method, return_url: RETURN_URL, ...given });
}

export async function refusal(work: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof Stripe.errors.StripeError, String(error));
    return error;
  }
  return assert.fail('It was not refused.');
}

export async function isInvalid(work: Promise<unknown>, wanted: { readonly code?: string; readonly param?: string }): Promise<void> {
  const error = await refusal(work);
  assert.deepEqual([error.statusCode, error.rawType], [400, 'invalid_request_error'], error.message);
  if (wanted.code !== undefined) assert.equal(error.code, wanted.code, error.message);
  if (wanted.param !== undefined) assert.equal(error.param, wanted.param, error.message);
}

/** A request for an intent with parameters that Stripe's types don't have. */
function untyped(stripe: Stripe, parameters: Record<string, unknown>): Promise<unknown> {
  return stripe.rawRequest('POST', '/v1/payment_intents', parameters);
}

export function intentCases({ both, twinOnly }: Cases): void {
  both('makes an intent that waits for a payment method', async ({ stripe }) => {
    const intent = await stripe.paymentIntents.create({ amount: 1099, currency: 'eur' });
    assert.match(intent.id, /^pi_/);
    assert.equal(intent.object, 'payment_intent');
    assert.equal(intent.status, 'requires_payment_method');
    assert.deepEqual([intent.amount, intent.currency, intent.amount_received, intent.amount_capturable], [1099, 'eur', 0, 0]);
    assert.ok(intent.client_secret?.startsWith(`${intent.id}_secret_`));
    assert.deepEqual([intent.latest_charge, intent.next_action, intent.last_payment_error, intent.livemode], [null, null, null, false]);
    assert.equal(intent.capture_method, 'automatic_async');
    assert.equal(intent.automatic_payment_methods?.enabled, true);
  });

  both('waits for confirmation when it has a payment method', async ({ stripe }) => {
    const intent = await makeIntent(stripe, { payment_method: 'pm_card_visa' });
    assert.equal(intent.status, 'requires_confirmation');
    assert.match(String(intent.payment_method), /^pm_/);
    assert.notEqual(intent.payment_method, 'pm_card_visa');
  });

  both('names a parameter that is missing', async ({ stripe }) => {
    await isInvalid(untyped(stripe, { currency: 'eur' }), { code: 'parameter_missing', param: 'amount' });
    await isInvalid(untyped(stripe, { amount: 100 }), { code: 'parameter_missing', param: 'currency' });
  });

  both('takes whole amounts above zero only', async ({ stripe }) => {
    for (const amount of [0, -100, 10.5]) await isInvalid(makeIntent(stripe, { amount }), { param: 'amount' });
    await isInvalid(untyped(stripe, { amount: 'ten', currency: 'eur' }), { param: 'amount' });
  });

  both('refuses an amount below the smallest of the currency', async ({ stripe }) => {
    await isInvalid(makeIntent(stripe, { amount: 49 }), { code: 'amount_too_small', param: 'amount' });
    assert.equal((await makeIntent(stripe, { amount: 50 })).amount, 50);
  });

  both('refuses an amount of nine digits', async ({ stripe }) => {
    await isInvalid(makeIntent(stripe, { amount: 100_000_000 }), { code: 'amount_too_large', param: 'amount' });
  });

  both('refuses a currency that there is not', async ({ stripe }) => {
    await isInvalid(makeIntent(stripe, { currency: 'xyz' }), { param: 'currency' });
  });

  both('takes currencies without decimals in whole units', async ({ stripe }) => {
    assert.equal((await makeIntent(stripe, { amount: 500, currency: 'jpy' })).amount, 500);
  });

  both('takes currencies of three decimals when the last digit is 0', async ({ stripe }) => {
    assert.equal((await makeIntent(stripe, { amount: 5120, currency: 'kwd' })).amount, 5120);
    await isInvalid(makeIntent(stripe, { amount: 5124, currency: 'kwd' }), {});
  });

  both('takes Icelandic crowns with two zeros only', async ({ stripe }) => {
    assert.equal((await makeIntent(stripe, { amount: 50_000, currency: 'isk' })).amount, 50_000);
    await isInvalid(makeIntent(stripe, { amount: 50_050, currency: 'isk' }), {});
  });

  both('refuses parameters that it does not know, also nested ones', async ({ stripe }) => {
    const known = { amount: 1000, currency: 'eur' };
    await isInvalid(untyped(stripe, { ...known, colour: 'red' }), {
      code: 'parameter_unknown',
      param: 'colour',
    });
    await isInvalid(untyped(stripe, { ...known, automatic_payment_methods: { enabled: true, colour: 'red' } }), {
      code: 'parameter_unknown',
      param: 'automatic_payment_methods[colour]',
    });
    await isInvalid(stripe.rawRequest('GET', '/v1/payment_intents?colour=red'), { code: 'parameter_unknown', param: 'colour' });
  });

  both('refuses payment_method_types, which this version has no more', async ({ stripe }) => {
    const parameters = { amount: 1000, currency: 'eur', payment_method_types: ['card'] };
    await isInvalid(untyped(stripe, parameters), { code: 'payment_method_types_no_longer_supported' });
  });

  both('takes either automatic or allowed payment methods', async ({ stripe }) => {
    const intent = await makeIntent(stripe, { allowed_payment_method_types: ['card'] });
    assert.deepEqual(intent.allowed_payment_method_types, ['card']);
    await isInvalid(makeIntent(stripe, { allowed_payment_method_types: ['card'], automatic_payment_methods: { enabled: true } }), {});
  });

  both('keeps metadata, merges changes into it, and drops what is emptied', async ({ stripe }) => {
    const { id } = await makeIntent(stripe, { metadata: { order: '1', colour: 'red' } });
    const updated = await stripe.paymentIntents.update(id, { metadata: { colour: '', size: 'L' } });
    assert.deepEqual({ ...updated.metadata }, { order: '1', size: 'L' });
    assert.deepEqual({ ...(await stripe.paymentIntents.retrieve(id)).metadata }, { order: '1', size: 'L' });
  });

  both('says that what is not there is not there', async ({ stripe }) => {
    const error = await refusal(stripe.paymentIntents.retrieve('pi_thereIsNone'));
    assert.deepEqual([error.statusCode, error.code], [404, 'resource_missing']);
    assert.equal((await refusal(stripe.paymentIntents.cancel('pi_thereIsNone'))).code, 'resource_missing');
  });

  both('changes the amount of an open intent', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    assert.equal((await stripe.paymentIntents.update(id, { amount: 3000, description: 'More' })).amount, 3000);
    const { amount, description } = await stripe.paymentIntents.retrieve(id);
    assert.deepEqual([amount, description], [3000, 'More']);
  });

  both('refuses to change the amount of a paid one', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    await isInvalid(stripe.paymentIntents.update(id, { amount: 3000 }), { code: 'payment_intent_unexpected_state' });
  });

  both('lists newest first, in pages, forwards and backwards', async ({ stripe }) => {
    const made = [];
    for (let count = 0; count < 3; count++) made.push((await makeIntent(stripe)).id);
    const [first, second, third] = made.toReversed();
    const page = await stripe.paymentIntents.list({ limit: 2 });
    assert.deepEqual([page.object, page.has_more, page.data.map(({ id }) => id)], ['list', true, [first, second]]);
    const next = await stripe.paymentIntents.list({ limit: 1, starting_after: second ?? '' });
    assert.equal(next.data[0]?.id, third);
    const back = await stripe.paymentIntents.list({ limit: 2, ending_before: third ?? '' });
    assert.deepEqual(
      back.data.map(({ id }) => id),
      [first, second],
    );
  });

  both('lists by the time of creation', async ({ stripe }) => {
    const { id, created } = await makeIntent(stripe);
    const has = async (range: Stripe.RangeQueryParam) =>
      (await stripe.paymentIntents.list({ created: range, limit: 100 })).data.some((one) => one.id === id);
    assert.deepEqual(
      [await has({ gte: created, lte: created }), await has({ gt: created }), await has({ lt: created })],
      [true, false, false],
    );
  });

  both('can be found again by its metadata, page after page', async ({ stripe }) => {
    const order = randomUUID();
    const { id, created } = await makeIntent(stripe, { metadata: { order } });
    for (let count = 0; count < 3; count++) await makeIntent(stripe);
    let found: string | undefined;
    for await (const intent of stripe.paymentIntents.list({ limit: 2, created: { gte: created } })) {
      if (intent.metadata['order'] === order) found = intent.id;
      if (found !== undefined) break;
    }
    assert.equal(found, id);
  });

  both('refuses a limit of 0 and of 101', async ({ stripe }) => {
    for (const limit of [0, 101]) assert.equal((await refusal(stripe.paymentIntents.list({ limit }))).param, 'limit');
  });

  both('expands what is named, and refuses what cannot be', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    const { latest_charge: charge } = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge.balance_transaction'] });
    assert.ok(typeof charge === 'object' && charge !== null && typeof charge.balance_transaction === 'object');
    await isInvalid(stripe.paymentIntents.retrieve(id, { expand: ['amount'] }), {});
    const { data } = await stripe.paymentIntents.list({ limit: 1, expand: ['data.latest_charge'] });
    assert.equal(typeof data[0]?.latest_charge, 'object');
  });

  both('cancels an open intent with a reason, once', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    const cancelled = await stripe.paymentIntents.cancel(id, { cancellation_reason: 'abandoned' });
    assert.deepEqual([cancelled.status, cancelled.cancellation_reason], ['canceled', 'abandoned']);
    assert.ok((cancelled.canceled_at ?? 0) >= cancelled.created);
    await isInvalid(stripe.paymentIntents.cancel(id), { code: 'payment_intent_unexpected_state' });
    await isInvalid(stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL }), {
      code: 'payment_intent_unexpected_state',
    });
  });

  both('refuses to cancel what is paid', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    const error = await refusal(stripe.paymentIntents.cancel(id));
    assert.deepEqual([error.code, error.payment_intent?.id], ['payment_intent_unexpected_state', id]);
  });

  twinOnly('says of itself, on every answer, that it is a simulator', async ({ twin }) => {
    for (const path of ['/', '/v1/payment_intents', '/_twin/audit', '/nowhere']) {
      const response = await fetch(`${twin.url}${path}`);
      assert.equal(response.headers.get('x-simulator'), 'stripe-twin', path);
      await response.arrayBuffer();
    }
    assert.match(await (await fetch(twin.url)).text(), /simulator, not Stripe/);
  });

  twinOnly('knows one version of the API, and says so', async ({ twin }) => {
    const headers = { authorization: `Bearer ${twin.account.secretKey}`, 'stripe-version': '2020-08-27' };
    assert.equal((await fetch(`${twin.url}/v1/payment_intents`, { headers })).status, 400);
  });
}

export function confirmCases({ both, twinOnly }: Cases): void {
  both('pays by card', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    const paid = await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL });
    assert.deepEqual([paid.status, paid.amount_received, paid.amount_capturable], ['succeeded', 2000, 0]);
    assert.match(String(paid.latest_charge), /^(ch|py)_/);
  });

  both('pays while it is made', async ({ stripe }) => {
    assert.equal((await pay(stripe, 'pm_card_visa')).status, 'succeeded');
  });

  both('pays by what an intent has already', async ({ stripe }) => {
    const { id } = await makeIntent(stripe, { payment_method: 'pm_card_mastercard' });
    assert.equal((await stripe.paymentIntents.confirm(id, { return_url: RETURN_URL })).status, 'succeeded');
  });

  both('books a charge less its fee', async ({ stripe }) => {
    const { latest_charge: charge } = await pay(stripe, 'pm_card_visa', { expand: ['latest_charge.balance_transaction'] });
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.deepEqual(
      [charge.status, charge.paid, charge.captured, charge.amount, charge.amount_captured],
      ['succeeded', true, true, 2000, 2000],
    );
    const booked = charge.balance_transaction;
    assert.ok(typeof booked === 'object' && booked !== null);
    assert.deepEqual([booked.type, booked.source], ['charge', charge.id]);
    assert.ok(booked.fee > 0);
    assert.equal(booked.net, booked.amount - booked.fee);
    assert.equal(
      booked.fee_details.reduce((sum, { amount }) => sum + amount, 0),
      booked.fee,
    );
  });

  both('copies the metadata of the intent to its charge', async ({ stripe }) => {
    const { latest_charge: charge } = await pay(stripe, 'pm_card_visa', { metadata: { order: '7' }, expand: ['latest_charge'] });
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.equal(charge.metadata['order'], '7');
  });

  for (const [method, code, declineCode] of [
    ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_visa_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_visa_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
    ['pm_card_visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc'],
    ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error'],
  ] as const) {
    both(`declines ${method}`, async ({ stripe }) => {
      const { id } = await makeIntent(stripe);
      const error = await refusal(stripe.paymentIntents.confirm(id, { payment_method: method, return_url: RETURN_URL }));
      assert.ok(error instanceof Stripe.errors.StripeCardError);
      assert.deepEqual([error.statusCode, error.code], [402, code]);
      if (code === 'card_declined') assert.equal(error.decline_code, declineCode);
      assert.deepEqual([error.payment_intent?.id, error.payment_intent?.status], [id, 'requires_payment_method']);
      const intent = await stripe.paymentIntents.retrieve(id);
      assert.equal(intent.last_payment_error?.code, code);
      assert.deepEqual([intent.status, intent.payment_method, intent.amount_received], ['requires_payment_method', null, 0]);
    });
  }

  both('keeps an intent that is declined while it is made', async ({ stripe }) => {
    const error = await refusal(pay(stripe, 'pm_card_visa_chargeDeclined'));
    const { id = '' } = error.payment_intent ?? {};
    assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'requires_payment_method');
  });

  both('pays by a second card after the first was declined', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    await refusal(stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa_chargeDeclined', return_url: RETURN_URL }));
    const paid = await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL });
    assert.deepEqual([paid.status, paid.last_payment_error], ['succeeded', null]);
    const charges = await stripe.charges.list({ payment_intent: id });
    assert.deepEqual(
      charges.data.map(({ status }) => status),
      ['succeeded', 'failed'],
    );
  });

  both('wants a payment method', async ({ stripe }) => {
    const { id } = await makeIntent(stripe);
    await isInvalid(stripe.paymentIntents.confirm(id, { return_url: RETURN_URL }), {});
  });

  both('wants to know where to send the buyer back to, unless nothing redirects', async ({ stripe }) => {
    const open = await makeIntent(stripe);
    await isInvalid(stripe.paymentIntents.confirm(open.id, { payment_method: 'pm_card_visa' }), {});
    const closed = await makeIntent(stripe, { automatic_payment_methods: { enabled: true, allow_redirects: 'never' } });
    assert.equal((await stripe.paymentIntents.confirm(closed.id, { payment_method: 'pm_card_visa' })).status, 'succeeded');
  });

  both('refuses to pay twice', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa');
    await isInvalid(stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL }), {
      code: 'payment_intent_unexpected_state',
    });
  });

  both('uses a payment method of nobody once', async ({ stripe }) => {
    const { payment_method: method } = await pay(stripe, 'pm_card_visa');
    await isInvalid(pay(stripe, String(method)), {});
  });

  both('refuses a payment method that there is not', async ({ stripe }) => {
    assert.equal((await refusal(pay(stripe, 'pm_thereIsNone'))).code, 'resource_missing');
  });

  both('declines without the buyer what needs the buyer', async ({ stripe }) => {
    const error = await refusal(pay(stripe, 'pm_card_authenticationRequired', { off_session: true }));
    assert.deepEqual([error.statusCode, error.code], [402, 'authentication_required']);
    const strict = await refusal(pay(stripe, 'pm_card_authenticationRequired', { error_on_requires_action: true }));
    assert.equal(strict.code, 'authentication_required');
  });

  both('sends the buyer to the bank when it must be approved', async ({ stripe }) => {
    const intent = await pay(stripe, 'pm_card_threeDSecure2Required');
    assert.deepEqual([intent.status, intent.next_action?.type], ['requires_action', 'redirect_to_url']);
    assert.match(intent.next_action?.redirect_to_url?.url ?? '', /^https?:/);
    assert.equal(intent.next_action?.redirect_to_url?.return_url, RETURN_URL);
    assert.equal(intent.amount_received, 0);
  });

  both('cancels what waits for approval', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_threeDSecure2Required');
    const cancelled = await stripe.paymentIntents.cancel(id);
    assert.deepEqual([cancelled.status, cancelled.next_action], ['canceled', null]);
  });

  twinOnly('pays when the buyer approves, and sends them back', async ({ stripe, twin }) => {
    const intent = await pay(stripe, 'pm_card_authenticationRequired');
    const back = new URL((await twin.approve(pageOf(intent))) ?? '');
    assert.equal(back.origin + back.pathname, RETURN_URL);
    assert.deepEqual(
      ['payment_intent', 'payment_intent_client_secret', 'redirect_status'].map((name) => back.searchParams.get(name)),
      [intent.id, intent.client_secret, 'succeeded'],
    );
    assert.equal((await stripe.paymentIntents.retrieve(intent.id)).status, 'succeeded');
  });

  twinOnly('waits for another method when the buyer refuses', async ({ stripe, twin }) => {
    const intent = await pay(stripe, 'pm_card_authenticationRequired');
    assert.match((await twin.approve(pageOf(intent), 'fail')) ?? '', /redirect_status=failed/);
    const later = await stripe.paymentIntents.retrieve(intent.id);
    assert.deepEqual([later.status, later.last_payment_error?.code], ['requires_payment_method', 'payment_intent_authentication_failure']);
  });

  twinOnly('can decline what was approved', async ({ stripe, twin }) => {
    const intent = await pay(stripe, 'pm_card_authenticationRequiredChargeDeclinedInsufficientFunds');
    await twin.approve(pageOf(intent));
    const later = await stripe.paymentIntents.retrieve(intent.id);
    assert.deepEqual([later.status, later.last_payment_error?.decline_code], ['requires_payment_method', 'insufficient_funds']);
  });

  twinOnly('shows the page of the bank until it is answered, or the payment is over', async ({ stripe, twin }) => {
    const answered = await pay(stripe, 'pm_card_authenticationRequired');
    const page = await fetch(pageOf(answered));
    const text = await page.text();
    assert.match(text, /20\.00 EUR/);
    assert.match(text, /simulator, not Stripe/);
    await twin.approve(pageOf(answered));
    assert.equal((await fetch(pageOf(answered))).status, 404);
    const cancelled = await pay(stripe, 'pm_card_authenticationRequired');
    await stripe.paymentIntents.cancel(cancelled.id);
    assert.equal((await fetch(pageOf(cancelled), { method: 'POST', body: new URLSearchParams({ answer: 'approve' }) })).status, 404);
    const other = await pay(stripe, 'pm_card_authenticationRequired');
    assert.equal((await fetch(pageOf(other).replace(/[^/]+$/, 'guessed'))).status, 404);
  });
}

export function captureCases({ both, twinOnly }: Cases): void {
  both('captures no fractions that the currency does not have', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { amount: 6250, currency: 'kwd', capture_method: 'manual' });
    await isInvalid(stripe.paymentIntents.capture(id, { amount_to_capture: 1001 }), {});
    assert.equal((await stripe.paymentIntents.capture(id, { amount_to_capture: 1000 })).amount_received, 1000);
  });

  both('authorizes first when it is captured by hand', async ({ stripe }) => {
    const intent = await pay(stripe, 'pm_card_visa', { capture_method: 'manual', expand: ['latest_charge'] });
    assert.deepEqual([intent.status, intent.amount_capturable, intent.amount_received], ['requires_capture', 2000, 0]);
    const charge = intent.latest_charge;
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.deepEqual([charge.captured, charge.amount_captured, charge.balance_transaction], [false, 0, null]);
    const captureBefore = charge.payment_method_details?.card?.capture_before ?? 0;
    assert.ok(captureBefore > charge.created + 86_400, 'it can be captured for days');
  });

  both('captures all of it', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    const captured = await stripe.paymentIntents.capture(id);
    assert.deepEqual([captured.status, captured.amount_received, captured.amount_capturable], ['succeeded', 2000, 0]);
  });

  both('captures a part and gives the rest back', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    const captured = await stripe.paymentIntents.capture(id, { amount_to_capture: 1500, expand: ['latest_charge'] });
    assert.deepEqual([captured.status, captured.amount, captured.amount_received], ['succeeded', 2000, 1500]);
    const charge = captured.latest_charge;
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.equal(charge.amount_captured, 1500);
    assert.equal((await refusal(stripe.refunds.create({ payment_intent: id, amount: 1501 }))).statusCode, 400);
    assert.equal((await stripe.refunds.create({ payment_intent: id })).amount, 1500);
  });

  both('captures no more than was authorized, and only once', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    await isInvalid(stripe.paymentIntents.capture(id, { amount_to_capture: 2001 }), { code: 'amount_too_large' });
    await isInvalid(stripe.paymentIntents.capture(id, { amount_to_capture: 0 }), {});
    await stripe.paymentIntents.capture(id, { amount_to_capture: 1000 });
    await isInvalid(stripe.paymentIntents.capture(id, { amount_to_capture: 500 }), { code: 'payment_intent_unexpected_state' });
  });

  both('captures nothing that was not authorized', async ({ stripe }) => {
    const { id } = await makeIntent(stripe, { capture_method: 'manual' });
    await isInvalid(stripe.paymentIntents.capture(id), { code: 'payment_intent_unexpected_state' });
  });

  both('gives an authorization back when it is cancelled', async ({ stripe }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    const cancelled = await stripe.paymentIntents.cancel(id, { expand: ['latest_charge'] });
    assert.deepEqual([cancelled.status, cancelled.amount_capturable, cancelled.amount_received], ['canceled', 0, 0]);
    const charge = cancelled.latest_charge;
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.deepEqual([charge.captured, charge.amount_captured, charge.balance_transaction], [false, 0, null]);
    await isInvalid(stripe.paymentIntents.capture(id), { code: 'payment_intent_unexpected_state' });
  });

  twinOnly('gives an authorization back by itself after seven days', async ({ stripe, twin }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    await twin.advanceSeconds(6 * 86_400);
    assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'requires_capture');
    await twin.advanceSeconds(86_400);
    const later = await stripe.paymentIntents.retrieve(id);
    assert.deepEqual([later.status, later.cancellation_reason], ['canceled', 'automatic']);
  });

  twinOnly('books what is captured asynchronously a moment later', async ({ stripe, twin }) => {
    const { id } = await pay(stripe, 'pm_card_visa', { capture_method: 'automatic_async' });
    await twin.advanceSeconds(2);
    const { latest_charge: charge } = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge'] });
    assert.ok(typeof charge === 'object' && charge !== null);
    assert.match(String(charge.balance_transaction), /^txn_/);
  });

  twinOnly('keeps a direct debit processing until the bank knows', async ({ stripe, twin }) => {
    const { id } = await pay(stripe, 'pm_success_de', { expand: ['latest_charge'] });
    const processing = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge'] });
    assert.deepEqual([processing.status, processing.amount_received], ['processing', 0]);
    await isInvalid(stripe.paymentIntents.cancel(id), { code: 'payment_intent_unexpected_state' });
    await twin.advanceSeconds(3);
    const paid = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge.balance_transaction'] });
    assert.deepEqual([paid.status, paid.amount_received], ['succeeded', 2000]);
    const charge = paid.latest_charge;
    assert.ok(typeof charge === 'object' && charge !== null && typeof charge.balance_transaction === 'object');
    assert.equal(charge.balance_transaction?.type, 'payment');
  });

  twinOnly('lets a direct debit fail later, and another method pay', async ({ stripe, twin }) => {
    const { id } = await pay(stripe, 'pm_failed_de');
    await twin.advanceSeconds(3);
    const failed = await stripe.paymentIntents.retrieve(id);
    assert.deepEqual([failed.status, failed.amount_received], ['requires_payment_method', 0]);
    assert.equal(typeof failed.last_payment_error?.code, 'string');
    assert.equal((await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL })).status, 'succeeded');
  });

  twinOnly('takes three minutes for the delayed ones', async ({ stripe, twin }) => {
    const [good, bad] = [await pay(stripe, 'pm_successDelayed_de'), await pay(stripe, 'pm_failedDelayed_de')];
    await twin.advanceSeconds(170);
    assert.equal((await stripe.paymentIntents.retrieve(good.id)).status, 'processing');
    await twin.advanceSeconds(15);
    assert.equal((await stripe.paymentIntents.retrieve(good.id)).status, 'succeeded');
    assert.equal((await stripe.paymentIntents.retrieve(bad.id)).status, 'requires_payment_method');
  });

  both('debits euros only', async ({ stripe }) => {
    await isInvalid(pay(stripe, 'pm_success_de', { currency: 'usd' }), {});
  });
}

function pageOf(intent: Stripe.PaymentIntent): string {
  return intent.next_action?.redirect_to_url?.url ?? assert.fail('There is no page.');
}
