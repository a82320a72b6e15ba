import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { impossible, invalid, missing } from './errors.ts';
import { requireWhole } from './fractions.ts';
import { INSTRUMENTS } from './instruments.ts';
import { listed } from './lists.ts';
import { newBalanceTransaction, newRefund } from './objects.ts';
import { mergeMetadata } from './parameters.ts';
import type { Work } from './work.ts';

const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;
const PENDING_MS = 2_000;

export function createRefund({ work, parameters }: Call): Answer {
  const intentId = parameters.text('payment_intent') ?? undefined;
  const chargeId = parameters.text('charge') ?? undefined;
  const amount = parameters.integer('amount');
  const reason = parameters.oneOf('reason', REASONS) ?? null;
  const metadata = mergeMetadata({}, parameters.metadata());
  parameters.done();
  if (intentId === undefined && chargeId === undefined) {
    throw invalid('One of the following params should be provided for this request: payment_intent or charge.');
  }
  if (amount !== undefined && amount <= 0) {
    throw invalid('Invalid positive integer', { code: 'parameter_invalid_integer', param: 'amount' });
  }
  const charge = chargeId === undefined ? chargeOf(work, work.intent(intentId ?? '')) : work.charge(chargeId);
  if (amount !== undefined) requireWhole(amount, charge.currency, 'amount');
  return ok(refund(work, charge, { amount: refundable(charge, amount), reason, metadata }));
}

export function retrieveRefund({ work, id, parameters }: Call): Answer {
  parameters.done();
  return ok(existing(work, id));
}

export function updateRefund({ work, id, parameters }: Call): Answer {
  const change = parameters.metadata();
  parameters.done();
  const before = existing(work, id);
  const updated = { ...before, metadata: mergeMetadata(before.metadata ?? {}, change) };
  work.put('refund', updated);
  work.emit('refund.updated', updated, { metadata: before.metadata });
  return ok(updated);
}

/** Only refunds that wait for the buyer can be cancelled, and those of cards and debits don't. */
export function cancelRefund({ work, id, parameters }: Call): Answer {
  parameters.done();
  const { status } = existing(work, id);
  throw impossible(`This refund can't be canceled because it has a status of ${status}. Only refunds that require action can be canceled.`);
}

export function listRefunds({ work, parameters }: Call): Answer {
  const intent = parameters.text('payment_intent');
  const charge = parameters.text('charge');
  const isWanted = (one: Stripe.Refund) => (intent == null || one.payment_intent === intent) && (charge == null || one.charge === charge);
  return ok(listed(work.all('refund'), parameters, { url: '/v1/refunds', filter: isWanted }));
}

/** A refund that took its time has come to its end. */
export function finishRefund(work: Work, id: string): void {
  const before = existing(work, id);
  const charge = work.charge(String(before.charge));
  if (before.status === 'pending') {
    const done = { ...before, status: 'succeeded' };
    work.put('refund', done);
    work.emit('refund.updated', done, { status: 'pending' });
    work.emit('charge.refund.updated', done, { status: 'pending' });
    return;
  }
  const returned = newBalanceTransaction({
    amount: before.amount,
    fee: 0,
    currency: before.currency,
    created: work.clock.nowSeconds(),
    source: id,
    type: 'refund_failure',
  });
  const failed = { ...before, status: 'failed', failure_reason: 'unknown', failure_balance_transaction: returned.id };
  work.put('balance_transaction', returned);
  work.put('refund', failed);
  work.put('charge', { ...charge, amount_refunded: charge.amount_refunded - before.amount, refunded: false });
  work.emit('refund.failed', failed);
  work.emit('refund.updated', failed, { status: before.status });
  work.emit('charge.refund.updated', failed, { status: before.status });
}

function refund(work: Work, charge: Stripe.Charge, facts: Pick<Stripe.Refund, 'amount' | 'reason' | 'metadata'>): Stripe.Refund {
  const behaviour = INSTRUMENTS.get(work.get('instrument', charge.payment_method ?? '')?.instrument ?? '')?.refund;
  const created = work.clock.nowSeconds();
  const made = newRefund(charge, { ...facts, created, status: behaviour === 'pending' ? 'pending' : 'succeeded' });
  const taken = newBalanceTransaction({
    amount: -facts.amount,
    fee: 0,
    currency: charge.currency,
    created,
    source: made.id,
    type: charge.payment_method_details?.type === 'sepa_debit' ? 'payment_refund' : 'refund',
  });
  const booked = { ...made, balance_transaction: taken.id };
  const refundedAmount = charge.amount_refunded + facts.amount;
  const changed = { ...charge, amount_refunded: refundedAmount, refunded: refundedAmount === charge.amount };
  work.put('balance_transaction', taken);
  work.put('refund', booked);
  work.put('charge', changed);
  if (behaviour !== undefined) work.later(PENDING_MS, { kind: 'finish_refund', objectId: booked.id });
  work.emit('refund.created', booked);
  work.emit('charge.refunded', changed, { amount_refunded: charge.amount_refunded });
  return booked;
}

function refundable(charge: Stripe.Charge, wanted: number | undefined): number {
  if (charge.status !== 'succeeded' || !charge.captured) {
    throw impossible(`Charge ${charge.id} has not been captured, so it cannot be refunded.`, { code: 'charge_not_refundable' });
  }
  const left = charge.amount - charge.amount_refunded;
  if (left === 0) throw impossible(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
  if (wanted !== undefined && wanted > left) {
    throw impossible(
      `Refund amount (${wanted} ${charge.currency}) is greater than unrefunded amount on charge (${left} ${charge.currency})`,
      {
        param: 'amount',
      },
    );
  }
  return wanted ?? left;
}

function chargeOf(work: Work, intent: Stripe.PaymentIntent): Stripe.Charge {
  if (intent.status === 'succeeded' && typeof intent.latest_charge === 'string') return work.charge(intent.latest_charge);
  throw impossible(`This PaymentIntent (${intent.id}) does not have a successful charge to refund.`);
}

function existing(work: Work, id: string): Stripe.Refund {
  const found = work.get('refund', id);
  if (found === undefined) throw missing('refund', id);
  return found;
}
