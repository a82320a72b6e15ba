import type Stripe from 'stripe';
import type { DeclineReason, Instrument } from './instruments.ts';
import { newBalanceTransaction, newCharge } from './objects.ts';
import type { ErrorBody } from './errors.ts';
import type { Work } from './work.ts';

const FEE_SHARE = 0.015;
const FEE_FIXED = 25;
/** Asynchronous capture books a moment later. */
const BOOKING_DELAY_MS = 1_000;
const AUTHORIZATION_MS = 7 * 86_400_000;

/** One try to take the money of an intent by a method that the buyer has approved. Answers with the intent afterwards. */
export interface Attempt {
  readonly intent: Stripe.PaymentIntent;
  readonly method: Stripe.PaymentMethod;
  readonly instrument: Instrument;
}

export function attemptPayment(work: Work, attempt: Attempt): Stripe.PaymentIntent {
  const { instrument } = attempt;
  if (instrument.delayMs !== undefined) return beginDebit(work, attempt, instrument.delayMs);
  if (instrument.decline !== undefined) return decline(work, attempt, instrument.decline);
  return attempt.intent.capture_method === 'manual' ? authorize(work, attempt) : take(work, attempt);
}

/** The intent waits for another method; the failed charge stays as evidence. */
export function decline(work: Work, { intent, method }: Attempt, reason: DeclineReason): Stripe.PaymentIntent {
  const charge = newCharge({ intent, method, created: work.clock.nowSeconds(), status: 'failed', isCaptured: false, failure: reason });
  work.put('charge', charge);
  work.emit('charge.failed', charge);
  return fail(work, { intent, method }, { ...errorOf(reason), charge: charge.id });
}

/** The buyer was not who the bank expects, or said no. */
export function failAuthentication(work: Work, attempt: Pick<Attempt, 'intent' | 'method'>): Stripe.PaymentIntent {
  return fail(work, attempt, {
    type: 'invalid_request_error',
    code: 'payment_intent_authentication_failure',
    message:
      'The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.',
  });
}

/** What a declined confirmation answers with, once the intent is as it is afterwards. */
export function declineError(intent: Stripe.PaymentIntent): ErrorBody {
  const error = intent.last_payment_error;
  return {
    type: 'card_error',
    message: error?.message ?? 'Your card was declined.',
    ...(error?.code === undefined ? {} : { code: error.code }),
    ...(error?.decline_code === undefined ? {} : { decline_code: error.decline_code }),
    ...(error?.charge === undefined ? {} : { charge: error.charge }),
    ...(error?.doc_url === undefined ? {} : { doc_url: error.doc_url }),
    ...(error?.payment_method === undefined ? {} : { payment_method: error.payment_method }),
    payment_intent: intent,
  };
}

/** A debit that was under way has come to its end. */
export function settleDebit(work: Work, charge: Stripe.Charge, instrument: Instrument): void {
  const intent = work.intent(String(charge.payment_intent));
  const method = work.get('payment_method', charge.payment_method ?? '');
  if (charge.status !== 'pending' || intent.status !== 'processing' || method === undefined) return;
  const reason = instrument.decline;
  if (reason !== undefined) {
    const failed = { ...charge, status: 'failed', failure_code: reason.code, failure_message: reason.message } satisfies Stripe.Charge;
    work.put('charge', failed);
    work.emit('charge.failed', failed);
    fail(work, { intent, method }, { ...errorOf(reason), charge: charge.id });
    return;
  }
  const booked = book(work, { ...charge, status: 'succeeded', paid: true, captured: true, amount_captured: charge.amount });
  work.emit('charge.succeeded', booked);
  succeed(work, intent, booked);
}

/** Moves what was captured into the balance, less the fee. */
export function book(work: Work, charge: Stripe.Charge): Stripe.Charge {
  const amount = charge.amount_captured;
  const transaction = newBalanceTransaction({
    amount,
    fee: Math.min(amount, Math.round(amount * FEE_SHARE) + FEE_FIXED),
    currency: charge.currency,
    created: work.clock.nowSeconds(),
    source: charge.id,
    type: charge.payment_method_details?.type === 'sepa_debit' ? 'payment' : 'charge',
  });
  const booked = { ...charge, balance_transaction: transaction.id };
  work.put('balance_transaction', transaction);
  work.put('charge', booked);
  return booked;
}

/** The money is ours. */
export function succeed(work: Work, intent: Stripe.PaymentIntent, charge: Stripe.Charge): Stripe.PaymentIntent {
  const succeeded = {
    ...intent,
    status: 'succeeded',
    amount_capturable: 0,
    amount_received: charge.amount_captured,
    latest_charge: charge.id,
    next_action: null,
  } satisfies Stripe.PaymentIntent;
  work.put('payment_intent', succeeded);
  work.emit('payment_intent.succeeded', succeeded);
  return succeeded;
}

function take(work: Work, { intent, method }: Attempt): Stripe.PaymentIntent {
  const charge = newCharge({ intent, method, created: work.clock.nowSeconds(), status: 'succeeded', isCaptured: true });
  if (intent.capture_method === 'automatic') {
    const booked = book(work, charge);
    work.emit('charge.succeeded', booked);
    return succeed(work, intent, booked);
  }
  work.put('charge', charge);
  work.later(BOOKING_DELAY_MS, { kind: 'book_charge', objectId: charge.id });
  work.emit('charge.succeeded', charge);
  return succeed(work, intent, charge);
}

function authorize(work: Work, { intent, method }: Attempt): Stripe.PaymentIntent {
  const charge = newCharge({ intent, method, created: work.clock.nowSeconds(), status: 'succeeded', isCaptured: false });
  const authorized = {
    ...intent,
    status: 'requires_capture',
    amount_capturable: intent.amount,
    latest_charge: charge.id,
    next_action: null,
  } satisfies Stripe.PaymentIntent;
  work.put('charge', charge);
  work.put('payment_intent', authorized);
  work.later(AUTHORIZATION_MS, { kind: 'expire_authorization', objectId: charge.id });
  work.emit('charge.succeeded', charge);
  work.emit('payment_intent.amount_capturable_updated', authorized);
  return authorized;
}

function beginDebit(work: Work, { intent, method }: Attempt, delayMs: number): Stripe.PaymentIntent {
  const charge = newCharge({ intent, method, created: work.clock.nowSeconds(), status: 'pending', isCaptured: false });
  const processing = { ...intent, status: 'processing', latest_charge: charge.id, next_action: null } satisfies Stripe.PaymentIntent;
  work.put('charge', charge);
  work.put('payment_intent', processing);
  work.later(delayMs, { kind: 'settle_debit', objectId: charge.id });
  work.emit('charge.pending', charge);
  work.emit('payment_intent.processing', processing);
  return processing;
}

function fail(
  work: Work,
  { intent, method }: Pick<Attempt, 'intent' | 'method'>,
  error: Omit<Stripe.PaymentIntent.LastPaymentError, 'payment_method'>,
): Stripe.PaymentIntent {
  const failed = {
    ...intent,
    status: 'requires_payment_method',
    payment_method: null,
    next_action: null,
    last_payment_error: { ...error, payment_method: method },
    latest_charge: error.charge ?? intent.latest_charge,
  } satisfies Stripe.PaymentIntent;
  work.put('payment_intent', failed);
  work.emit('payment_intent.payment_failed', failed);
  return failed;
}

function errorOf({ code, declineCode, message }: DeclineReason): Stripe.PaymentIntent.LastPaymentError {
  return {
    type: 'card_error',
    code,
    ...(declineCode === undefined ? {} : { decline_code: declineCode }),
    doc_url: `https://docs.stripe.com/error-codes#${code.replaceAll('_', '-')}`,
    message,
  };
}
