import type { CartLook, CartStep, PaymentWord } from '../../contracts/pure/carts.ts';
import type { CartTimes } from '../../store/checkout/cart-times.ts';
import { afterQuietHours, isKnownZone } from './quiet-hours.ts';

const MINUTE_MS = 60_000;
const ACTION_AFTER_MS = 15 * MINUTE_MS;
const DECLINE_AFTER_MS = 60 * MINUTE_MS;
/** Nothing that happens to an order is due earlier than this after it, so looking this often finds all of it in time. */
const LOOK_AT_ORDER_MS = 15 * MINUTE_MS;
/** One person is reminded of one cart in this time. */
const PER_PERSON_MS = 24 * 60 * MINUTE_MS;

/** How a shop reminds. */
export interface CartRules {
  /** After the last change; one reminder for each, in this order. */
  readonly reminderDelaysMs: readonly number[];
  /** Where no zone of the buyer is known. */
  readonly shopTimeZone: string;
  /** A cart that nobody touches for so long is closed. */
  readonly expiresAfterMs: number;
}

/** What is due for a cart now, and when to look again. Says the same for the same rows, rules and time. */
export function planCart(times: CartTimes, rules: CartRules, now: Date): CartLook {
  const { cart, items } = times;
  if (cart.status === 'expired') return { isDone: true, why: 'expired' };
  const payment = paymentPlan(times, now);
  if (cart.status === 'ordered') {
    if (payment === undefined) return { isDone: true, why: 'ordered' };
    return look(payment, now.getTime() + LOOK_AT_ORDER_MS, 'payment');
  }
  if (items.length === 0) return { isDone: true, why: 'emptied' };
  const expiresAtMs = cart.touched_at.getTime() + rules.expiresAfterMs;
  if (expiresAtMs <= now.getTime()) return { isDone: true, why: 'expired' };
  const endMs = Math.min(expiresAtMs, times.heldUntil?.getTime() ?? Infinity);
  const payments = look(payment ?? {}, endMs, 'end');
  if (payments.due !== undefined) return payments;
  const reminders = reminderPlan(times, rules, now);
  return look(
    reminders,
    payments.nextAtMs,
    reminders.atMs !== undefined && reminders.atMs < payments.nextAtMs ? 'reminder' : payments.waitsFor,
  );
}

/** Earlier steps that a step of the ladder makes pointless. */
export function passedOverBy(step: CartStep, { mailed }: CartTimes, rules: CartRules): readonly CartStep[] {
  const steps = rules.reminderDelaysMs.map((_, index) => reminder(index));
  const place = steps.indexOf(step);
  return steps.slice(0, Math.max(0, place)).filter((earlier) => !mailed.has(earlier));
}

/** Whose night counts. */
export function zoneOf({ cart }: CartTimes, rules: CartRules): string {
  const zone = cart.time_zone;
  return zone !== null && isKnownZone(zone) ? zone : rules.shopTimeZone;
}

interface Due {
  /** To be sent now. */
  readonly step?: CartStep;
  /** Else: when something will be, by what is known now. */
  readonly atMs?: number;
}

function look({ step, atMs }: Due, latestMs: number, waitsFor: string) {
  const nextAtMs = Math.min(atMs ?? Infinity, latestMs);
  return { isDone: false as const, nextAtMs, waitsFor, ...(step === undefined ? {} : { due: step }) };
}

/** Word on the payment of the latest order: not advertising, so it needs no agreement and knows no night. Undefined: there will be none. */
function paymentPlan({ order, mailed, cart }: CartTimes, now: Date): Due | undefined {
  if (order === undefined || order.captured_amount > 0 || order.email === null) return undefined;
  const { state, decline } = order;
  const isOpen = state === 'created' || state === 'needs_payment_method' || state === 'needs_action' || state === 'processing';
  // Whoever has gone on with the cart since then knows.
  const isLeft = cart.status === 'open' && order.declined_at !== null && cart.touched_at <= order.declined_at;
  if (!isOpen && !isLeft) return undefined;
  const wanted: [PaymentWord, number][] = [];
  if (state === 'needs_action' && order.action_since !== null)
    wanted.push(['payment_action', order.action_since.getTime() + ACTION_AFTER_MS]);
  if (decline !== null && order.declined_at !== null && (state === 'needs_payment_method' || isLeft)) {
    const declinedMs = order.declined_at.getTime();
    // A bank that took its time and refused in the end: the buyer believes to have paid.
    if (order.delayed_since !== null) wanted.push(['payment_failed', declinedMs]);
    else wanted.push(['payment_declined', declinedMs + DECLINE_AFTER_MS]);
  }
  const open = wanted.map(([word, atMs]) => [ofOrder(word, cart), atMs] as const).filter(([step]) => !mailed.has(step));
  const due = open.find(([, atMs]) => atMs <= now.getTime());
  if (due !== undefined) return { step: due[0] };
  const next = Math.min(...open.map(([, atMs]) => atMs));
  return Number.isFinite(next) ? { atMs: next } : isOpen ? {} : undefined;
}

/** Each order of a cart has word of its own, in the same words. The cart counts on when an order has come to nothing. */
function ofOrder(word: PaymentWord, { status, attempt }: CartTimes['cart']): CartStep {
  const nth = status === 'open' ? attempt - 1 : attempt;
  return nth === 1 ? word : `${word}_${nth}`;
}

function reminderPlan(times: CartTimes, rules: CartRules, now: Date): Due {
  const { cart, mailed, order } = times;
  if (cart.email === null || cart.reminders_agreed_at === null) return {};
  // Money that came after the order had come to nothing opened the cart: whoever has paid is not asked to buy.
  if (order !== undefined && order.captured_amount > order.refunded_amount) return {};
  const activeMs = Math.max(cart.touched_at.getTime(), ...wordsOnPayment(mailed));
  const steps = rules.reminderDelaysMs.map((delayMs, index) => ({ step: reminder(index), dueMs: activeMs + delayMs }));
  const open = steps.filter(({ step }) => !mailed.has(step));
  // After a long outage several are due: the last of them says it all.
  const overdue = open.findLast(({ dueMs }) => dueMs <= now.getTime());
  const next = overdue ?? open[0];
  if (next === undefined) return {};
  const spacedMs = times.remindedOfOtherAt === undefined ? 0 : times.remindedOfOtherAt.getTime() + PER_PERSON_MS;
  const sendAt = afterQuietHours(new Date(Math.max(next.dueMs, spacedMs, overdue === undefined ? 0 : now.getTime())), zoneOf(times, rules));
  return sendAt <= now ? { step: next.step } : { atMs: sendAt.getTime() };
}

/** A mail about the payment is a reminder too: the ladder goes on from it. */
function wordsOnPayment(mailed: CartTimes['mailed']): readonly number[] {
  return [...mailed].filter(([step]) => step.startsWith('payment')).map(([, at]) => at.getTime());
}

function reminder(index: number): CartStep {
  return `reminder_${index + 1}`;
}
