import type Stripe from 'stripe';
import { attemptPayment, decline, declineError, failAuthentication } from './charging.ts';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { ApiError, impossible, invalid } from './errors.ts';
import { randomText } from './ids.ts';
import { intentFor, publicView } from './intent-access.ts';
import { INSTRUMENTS } from './instruments.ts';
import type { Instrument } from './instruments.ts';
import type { Parameters } from './parameters.ts';
import { takePaymentMethod, useInstrument } from './payment-methods.ts';
import type { Work } from './work.ts';

const CONFIRMABLE: readonly string[] = ['requires_payment_method', 'requires_confirmation', 'requires_action'];
const AUTHENTICATION_REQUIRED = {
  code: 'authentication_required',
  declineCode: 'authentication_required',
  message: 'Your card was declined. This transaction requires authentication.',
};

/** How a payment is confirmed. */
export interface Confirmation {
  readonly paymentMethod: string | undefined;
  readonly returnUrl: string | undefined;
  /** The buyer is not there to approve anything. */
  readonly isOffSession: boolean;
  readonly failsOnAction: boolean;
}

export function readConfirmation(parameters: Parameters): Confirmation {
  const returnUrl = parameters.text('return_url') ?? undefined;
  if (returnUrl !== undefined && !/^https?:$/.test(URL.parse(returnUrl)?.protocol ?? '')) {
    throw invalid('Not a valid URL', { code: 'url_invalid', param: 'return_url' });
  }
  // Of consequence to Stripe's own libraries only.
  parameters.ignore('use_stripe_sdk');
  return {
    paymentMethod: parameters.text('payment_method') ?? undefined,
    returnUrl,
    isOffSession: parameters.flag('off_session') ?? false,
    failsOnAction: parameters.flag('error_on_requires_action') ?? false,
  };
}

export function confirmIntent(call: Call): Answer {
  const { work, parameters, access } = call;
  const intent = intentFor(call);
  const confirmation = readConfirmation(parameters);
  const captureMethod = parameters.oneOf('capture_method', ['automatic', 'automatic_async', 'manual'] as const);
  const receiptEmail = parameters.text('receipt_email');
  parameters.done();
  const changed = {
    ...intent,
    capture_method: captureMethod ?? intent.capture_method,
    receipt_email: receiptEmail === undefined ? intent.receipt_email : receiptEmail,
  };
  work.put('payment_intent', changed);
  const answer = confirm(call, changed, confirmation);
  return access === 'publishable' ? answerOf(publicView(work.intent(intent.id))) : answer;
}

/** Tries to pay: the answer is the intent afterwards, or 402 when it was declined, which also has happened. */
export function confirm(call: Call, intent: Stripe.PaymentIntent, confirmation: Confirmation): Answer {
  const { work } = call;
  checkState(intent);
  const chosen = confirmation.paymentMethod ?? (typeof intent.payment_method === 'string' ? intent.payment_method : undefined);
  if (chosen === undefined) {
    throw impossible(
      "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent with a payment method, or confirm it again with one.",
      { code: 'payment_intent_unexpected_state', payment_intent: intent },
    );
  }
  checkReturnUrl(intent, confirmation);
  const method = takePaymentMethod(work, chosen, intent);
  const instrument = useInstrument(work, method);
  const trying = { ...intent, payment_method: method.id, last_payment_error: null, next_action: null };
  if (instrument.needsAuthentication === true) return demandApproval(call, { intent: trying, method, instrument }, confirmation);
  return answerOf(attemptPayment(work, { intent: trying, method, instrument }));
}

/** The buyer has answered in the bank's page. Answers with the intent afterwards. */
export function finishAuthentication(work: Work, intentId: string, isApproved: boolean): Stripe.PaymentIntent {
  const intent = work.intent(intentId);
  const method = work.get('payment_method', String(intent.payment_method));
  const instrument = INSTRUMENTS.get(work.get('instrument', method?.id ?? '')?.instrument ?? '');
  if (intent.status !== 'requires_action' || method === undefined || instrument === undefined) return intent;
  work.remove('authentication', intentId);
  const attempt = { intent: { ...intent, next_action: null }, method, instrument };
  return isApproved ? attemptPayment(work, attempt) : failAuthentication(work, attempt);
}

interface ApprovalCase {
  readonly intent: Stripe.PaymentIntent;
  readonly method: Stripe.PaymentMethod;
  readonly instrument: Instrument;
}

function demandApproval({ work, baseUrl }: Call, attempt: ApprovalCase, confirmation: Confirmation): Answer {
  if (confirmation.isOffSession || confirmation.failsOnAction) return answerOf(decline(work, attempt, AUTHENTICATION_REQUIRED));
  const { intent } = attempt;
  const token = randomText(32);
  const returnUrl = confirmation.returnUrl ?? null;
  const url = `${baseUrl}/_twin/authenticate/${intent.id}/${token}`;
  const waiting = {
    ...intent,
    status: 'requires_action',
    next_action: { type: 'redirect_to_url', redirect_to_url: { return_url: returnUrl, url } },
  } satisfies Stripe.PaymentIntent;
  work.put('authentication', { id: intent.id, token, returnUrl });
  work.put('payment_intent', waiting);
  work.emit('payment_intent.requires_action', waiting);
  return ok(waiting);
}

function answerOf(intent: Stripe.PaymentIntent): Answer {
  return intent.status === 'requires_payment_method' ? { status: 402, body: { error: declineError(intent) } } : ok(intent);
}

function checkState(intent: Stripe.PaymentIntent): void {
  if (CONFIRMABLE.includes(intent.status)) return;
  const reason =
    intent.status === 'succeeded'
      ? 'it has already succeeded after being previously confirmed'
      : `it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be confirmed: ${CONFIRMABLE.join(', ')}`;
  throw impossible(`You cannot confirm this PaymentIntent because ${reason}.`, {
    code: 'payment_intent_unexpected_state',
    payment_intent: intent,
  });
}

/** A method that redirects needs a way back, unless the intent excludes such methods. */
function checkReturnUrl(intent: Stripe.PaymentIntent, { returnUrl, isOffSession }: Confirmation): void {
  const canRedirect = intent.automatic_payment_methods?.enabled === true && intent.automatic_payment_methods.allow_redirects !== 'never';
  if (!canRedirect || isOffSession || returnUrl !== undefined) return;
  throw new ApiError(400, {
    type: 'invalid_request_error',
    message:
      'This PaymentIntent is configured to accept payment methods that might redirect your customer off of your page, so you must provide a `return_url`. If you want none of them, set automatic_payment_methods[allow_redirects] to never when creating it.',
  });
}
