import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { book, succeed } from './charging.ts';
import { impossible, invalid } from './errors.ts';
import { requireWhole } from './fractions.ts';
import { mergeMetadata } from './parameters.ts';
import type { Work } from './work.ts';

const CANCELLABLE: readonly string[] = ['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action'];
const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'] as const;

export function captureIntent({ work, id, parameters }: Call): Answer {
  const amount = parameters.integer('amount_to_capture');
  const isFinal = parameters.flag('final_capture') ?? true;
  const metadata = parameters.metadata();
  parameters.done();
  if (amount !== undefined && amount <= 0) {
    throw invalid('Invalid positive integer', { code: 'parameter_invalid_integer', param: 'amount_to_capture' });
  }
  const intent = work.intent(id);
  if (intent.status !== 'requires_capture') {
    throw impossible(
      `This PaymentIntent could not be captured because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.`,
      { code: 'payment_intent_unexpected_state', payment_intent: intent },
    );
  }
  if (!isFinal) throw impossible('This PaymentIntent is not eligible for multicapture.', { param: 'final_capture' });
  if (amount !== undefined && amount > intent.amount_capturable) {
    throw impossible(`The amount_to_capture ${amount} is greater than the capturable amount ${intent.amount_capturable}.`, {
      code: 'amount_too_large',
      param: 'amount_to_capture',
    });
  }
  if (amount !== undefined) requireWhole(amount, intent.currency, 'amount_to_capture');
  return ok(capture(work, { ...intent, metadata: mergeMetadata(intent.metadata, metadata) }, amount ?? intent.amount_capturable));
}

export function cancelIntent({ work, id, parameters }: Call): Answer {
  const reason = parameters.oneOf('cancellation_reason', REASONS);
  parameters.done();
  const intent = work.intent(id);
  if (!CANCELLABLE.includes(intent.status)) {
    throw impossible(
      `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be canceled: ${CANCELLABLE.join(', ')}.`,
      { code: 'payment_intent_unexpected_state', payment_intent: intent },
    );
  }
  return ok(cancel(work, intent, reason ?? null));
}

/** What was authorized and never taken goes back to the buyer, by itself after seven days. */
export function expireAuthorization(work: Work, charge: Stripe.Charge): void {
  const intent = work.intent(String(charge.payment_intent));
  if (intent.status !== 'requires_capture' || intent.latest_charge !== charge.id) return;
  cancel(work, intent, 'automatic');
  work.emit('charge.expired', work.charge(charge.id));
}

/** What is not taken is released, which Stripe counts among the refunded. */
function capture(work: Work, intent: Stripe.PaymentIntent, amount: number): Stripe.PaymentIntent {
  const charge = work.charge(String(intent.latest_charge));
  const captured = book(work, { ...charge, captured: true, amount_captured: amount, amount_refunded: charge.amount - amount });
  work.emit('charge.captured', captured);
  return succeed(work, intent, captured);
}

function cancel(work: Work, intent: Stripe.PaymentIntent, reason: string | null): Stripe.PaymentIntent {
  const cancelled = {
    ...intent,
    status: 'canceled',
    canceled_at: work.clock.nowSeconds(),
    cancellation_reason: reason,
    amount_capturable: 0,
    next_action: null,
  } satisfies Stripe.PaymentIntent;
  work.put('payment_intent', cancelled);
  if (intent.status === 'requires_capture') {
    const charge = work.charge(String(intent.latest_charge));
    const released = { ...charge, amount_refunded: charge.amount, refunded: true };
    work.put('charge', released);
    work.emit('charge.refunded', released);
  }
  if (intent.status === 'requires_action') work.remove('authentication', intent.id);
  work.emit('payment_intent.canceled', cancelled);
  return cancelled;
}
