import type { Selectable } from 'kysely';
import type { IntentStatus, PaymentIntent } from '../../adapters/payments.ts';
import type { OrderState } from '../../contracts/checkout/orders.ts';
import type { Database } from '../schema.ts';

export type OrderRow = Selectable<Database['checkout_order']>;

/** What a reading of the payment makes of an order’s row. */
export type IntentMerge = Pick<
  OrderRow,
  | 'state'
  | 'intent_id'
  | 'client_secret'
  | 'intent_status'
  | 'next_action'
  | 'decline'
  | 'merged_ticket'
  | 'authorized_amount'
  | 'captured_amount'
  | 'capture_before'
  | 'pay_until'
>;

/** A payment as it was read. */
export interface IntentRead {
  readonly intent: PaymentIntent;
  /** Taken before it was read. */
  readonly ticket: number;
  /** Until when the buyer may pay in another way, should a bank that took its time have refused. */
  readonly payUntil: Date;
}

/**
 * Readings come late, twice and in any order. Money that was seen is never unseen, and what is final stays; between the states that a
 * payment may go to and fro, the reading that was begun last counts.
 */
export function mergeIntent(row: OrderRow, { intent, ticket, payUntil }: IntentRead): IntentMerge {
  const isNewer = ticket > row.merged_ticket;
  const status = laterStatus(row.intent_status, intent.status, isNewer);
  const isThis = status === intent.status && (isNewer || row.intent_status !== status);
  const captured = Math.max(row.captured_amount, intent.receivedAmount);
  const before = intent.charge?.captureBefore;
  // A debit takes days: the time that the buyer had when it was tried is long over.
  const isRefusedLate = row.intent_status === 'processing' && status === 'needs_payment_method' && payUntil > row.pay_until;
  return {
    state: stateOf({ ...standingOf(row), status, captured }),
    intent_id: intent.id,
    client_secret: intent.clientSecret,
    intent_status: status,
    next_action: isThis ? (intent.nextAction ?? null) : row.next_action,
    decline: isThis ? declineOf(row, { ...intent, status }) : row.decline,
    merged_ticket: Math.max(ticket, row.merged_ticket),
    authorized_amount: Math.max(row.authorized_amount, intent.capturableAmount, captured),
    captured_amount: captured,
    capture_before: before === undefined ? row.capture_before : new Date(before),
    pay_until: isRefusedLate ? payUntil : row.pay_until,
  };
}

/** A decline is over once the payment goes on; that it is cancelled since nobody went on leaves it: the buyer may not know of it yet. */
function declineOf(row: OrderRow, { status, lastDecline }: Pick<PaymentIntent, 'lastDecline'> & { readonly status: string }) {
  if (status === 'needs_payment_method') return lastDecline ?? row.decline;
  return status === 'cancelled' ? row.decline : null;
}

export interface Standing {
  readonly state: OrderState;
  readonly status: string | null;
  readonly captured: number;
  readonly refunded: number;
  /** What the buyer named to pay with is being tried. */
  readonly isTrying: boolean;
}

/** How an order’s row says that it stands. */
export function standingOf(row: OrderRow): Standing {
  return {
    state: row.state,
    status: row.intent_status,
    captured: row.captured_amount,
    refunded: row.refunded_amount,
    isTrying: row.payment_try > row.confirmed_try,
  };
}

/** What the buyer is shown. */
export function stateOf({ state, status, captured, refunded, isTrying }: Standing): OrderState {
  if (captured > 0) return refunded === 0 ? 'paid' : refunded < captured ? 'partially_refunded' : 'refunded';
  if (state === 'cancelled' || state === 'failed') return state;
  switch (status) {
    case null:
      return 'created';
    case 'needs_payment_method':
    case 'needs_confirmation':
      if (!isTrying) return 'needs_payment_method';
      return state === 'needs_payment_method' ? 'processing' : state;
    case 'needs_action':
    case 'processing':
    case 'authorized':
      return status;
    // The money is on its way into the amounts, or the order’s workflow is about to end it.
    case 'succeeded':
    case 'cancelled':
      return state;
    default:
      return 'unknown';
  }
}

function laterStatus(known: string | null, read: IntentStatus, isNewer: boolean): string {
  if (known === null) return read;
  const [knownRank, readRank] = [rankOf(known), rankOf(read)];
  if (knownRank !== readRank) return readRank > knownRank ? read : known;
  return isNewer && knownRank === 0 ? read : known;
}

/** Ranks only go up; within rank 0 a payment goes to and fro. */
function rankOf(status: string): number {
  if (status === 'succeeded' || status === 'cancelled') return 2;
  return status === 'authorized' ? 1 : 0;
}
