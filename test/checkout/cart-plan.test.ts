import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CartRules, passedOverBy, planCart } from '../../src/activities/checkout/cart-plan.ts';
import type { CartLook } from '../../src/contracts/pure/carts.ts';
import type { CartTimes } from '../../src/store/checkout/cart-times.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const RULES: CartRules = { reminderDelaysMs: [HOUR_MS, 24 * HOUR_MS, 72 * HOUR_MS], shopTimeZone: 'UTC', expiresAfterMs: 720 * HOUR_MS };
/** Noon in the shop's zone. */
const TOUCHED = Date.parse('2026-11-25T12:00:00Z');

interface More {
  readonly cart?: { readonly status?: string; readonly [column: string]: unknown };
  readonly order?: object;
  readonly items?: CartTimes['items'];
  readonly mailed?: Readonly<Record<string, number>>;
  readonly heldUntil?: Date;
  readonly remindedOfOtherAt?: Date;
}

function cartTimes({ cart = {}, order, mailed = {}, ...more }: More = {}): CartTimes {
  const agreed = { email: 'ada@example.com', reminders_agreed_at: new Date(TOUCHED), time_zone: null };
  const noOrder = {
    state: 'needs_payment_method',
    captured_amount: 0,
    refunded_amount: 0,
    email: 'ada@example.com',
    decline: null,
    action_since: null,
  };
  const times = {
    cart: { status: 'open', attempt: cart.status === 'ordered' ? 1 : 2, touched_at: new Date(TOUCHED), order_id: null, ...agreed, ...cart },
    items: [{ sku: 'gear', quantity: 1 }],
    order: order === undefined ? undefined : { ...noOrder, declined_at: null, delayed_since: null, ...order },
    mailed: new Map(Object.entries(mailed).map(([step, at]) => [step, new Date(at)])),
    heldUntil: undefined,
    remindedOfOtherAt: undefined,
    ...more,
  };
  // Only what a plan looks at.
  return times as unknown as CartTimes;
}

function plan(times: CartTimes, afterMs: number, rules = RULES): CartLook {
  return planCart(times, rules, new Date(TOUCHED + afterMs));
}

/** `due reminder_1`, `reminder at +23:00`, `done emptied`. */
function told(found: CartLook): string {
  if (found.isDone) return `done ${found.why}`;
  if (found.due !== undefined) return `due ${found.due}`;
  const minutes = Math.round((found.nextAtMs - TOUCHED) / MINUTE_MS);
  return `${found.waitsFor} at +${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

describe('the ladder of reminders', () => {
  test('goes from step to step, each once, out of the night', () => {
    const mailed = { reminder_1: TOUCHED + HOUR_MS };
    assert.equal(told(plan(cartTimes(), 0)), 'reminder at +1:00');
    assert.equal(told(plan(cartTimes(), HOUR_MS - 1)), 'reminder at +1:00');
    assert.equal(told(plan(cartTimes(), HOUR_MS)), 'due reminder_1');
    assert.equal(told(plan(cartTimes({ mailed }), HOUR_MS)), 'reminder at +24:00');
    assert.equal(told(plan(cartTimes({ mailed }), 24 * HOUR_MS)), 'due reminder_2');
    const all = { ...mailed, reminder_2: TOUCHED + 24 * HOUR_MS, reminder_3: TOUCHED + 72 * HOUR_MS };
    assert.equal(told(plan(cartTimes({ mailed: all }), 73 * HOUR_MS)), 'end at +720:00');
    assert.equal(told(plan(cartTimes({ mailed: all }), 720 * HOUR_MS)), 'done expired');
  });

  test('begins anew with every change, and repeats no step', () => {
    const mailed = { reminder_1: TOUCHED + HOUR_MS };
    const touched = cartTimes({ mailed, cart: { touched_at: new Date(TOUCHED + 5 * HOUR_MS) } });
    assert.equal(told(plan(touched, 24 * HOUR_MS)), 'reminder at +29:00');
    assert.equal(told(plan(touched, 29 * HOUR_MS)), 'due reminder_2');
  });

  test('holds a reminder until the buyer’s morning, and the shop’s where the zone is not known', () => {
    const evening = { touched_at: new Date('2026-11-25T20:30:00Z') };
    assert.equal(told(plan(cartTimes({ cart: evening }), 9.5 * HOUR_MS)), 'reminder at +20:00');
    const berlin = cartTimes({ cart: { ...evening, time_zone: 'Europe/Berlin' } });
    assert.equal(told(plan(berlin, 9.5 * HOUR_MS)), 'reminder at +19:00');
    assert.equal(told(plan(berlin, 19 * HOUR_MS)), 'due reminder_1');
    const nowhere = cartTimes({ cart: { ...evening, time_zone: 'Mars/Olympus' } });
    assert.equal(told(plan(nowhere, 9.5 * HOUR_MS, { ...RULES, shopTimeZone: 'Asia/Kathmandu' })), 'reminder at +14:15');
  });

  test('needs agreement and an address', () => {
    for (const cart of [{ reminders_agreed_at: null }, { email: null }])
      assert.equal(told(plan(cartTimes({ cart }), 2 * HOUR_MS)), 'end at +720:00');
  });

  test('leaves out who has paid after the order had come to nothing, until the money is back', () => {
    const late = { state: 'paid', captured_amount: 1990 };
    assert.equal(told(plan(cartTimes({ order: late }), 2 * HOUR_MS)), 'end at +720:00');
    assert.equal(told(plan(cartTimes({ order: { ...late, refunded_amount: 1990 } }), 2 * HOUR_MS)), 'due reminder_1');
  });

  test('catches up after an outage with one mail, not with three', () => {
    const late = cartTimes();
    assert.equal(told(plan(late, 96 * HOUR_MS)), 'due reminder_3');
    assert.deepEqual(passedOverBy('reminder_3', late, RULES), ['reminder_1', 'reminder_2']);
    assert.deepEqual(passedOverBy('reminder_3', cartTimes({ mailed: { reminder_1: TOUCHED } }), RULES), ['reminder_2']);
    assert.deepEqual(passedOverBy('payment_action', late, RULES), []);
  });

  test('reminds one person of one cart a day', () => {
    const other = cartTimes({ remindedOfOtherAt: new Date(TOUCHED - 2 * HOUR_MS) });
    assert.equal(told(plan(other, HOUR_MS)), 'reminder at +22:00');
    assert.equal(told(plan(other, 22 * HOUR_MS)), 'due reminder_1');
  });

  test('is as long as the shop wants it, or not there', () => {
    assert.equal(told(plan(cartTimes(), HOUR_MS, { ...RULES, reminderDelaysMs: [] })), 'end at +720:00');
    assert.equal(told(plan(cartTimes(), 10 * MINUTE_MS, { ...RULES, reminderDelaysMs: [10 * MINUTE_MS] })), 'due reminder_1');
  });
});

describe('a cart', () => {
  test('ends when it is empty, ordered and paid, or closed', () => {
    assert.equal(told(plan(cartTimes({ items: [] }), 0)), 'done emptied');
    assert.equal(told(plan(cartTimes({ cart: { status: 'ordered' }, order: { state: 'paid', captured_amount: 100 } }), 0)), 'done ordered');
    assert.equal(told(plan(cartTimes({ cart: { status: 'expired' } }), 0)), 'done expired');
  });

  test('is looked at when its hold ends', () => {
    const held = cartTimes({ cart: { reminders_agreed_at: null }, heldUntil: new Date(TOUCHED + 15 * MINUTE_MS) });
    assert.equal(told(plan(held, 0)), 'end at +0:15');
  });
});

describe('word on a payment', () => {
  const ordered = { status: 'ordered', reminders_agreed_at: null };

  test('comes 15 minutes after the bank asked for approval, at night too', () => {
    const asked = cartTimes({ cart: ordered, order: { state: 'needs_action', action_since: new Date(TOUCHED) } });
    assert.equal(told(plan(asked, 0)), 'payment at +0:15');
    assert.equal(told(plan(asked, 15 * MINUTE_MS)), 'due payment_action');
    const mailed = { payment_action: TOUCHED + 15 * MINUTE_MS };
    const told2 = plan(
      cartTimes({ cart: ordered, order: { state: 'needs_action', action_since: new Date(TOUCHED) }, mailed }),
      16 * MINUTE_MS,
    );
    assert.equal(told(told2), 'payment at +0:31');
    const night = cartTimes({ cart: ordered, order: { state: 'needs_action', action_since: new Date('2026-11-25T22:00:00Z') } });
    assert.equal(told(plan(night, 10.5 * HOUR_MS)), 'due payment_action');
  });

  test('comes an hour after a decline, also when the order has ended meanwhile', () => {
    const declined = { decline: { code: 'card_declined', text: 'No.' }, declined_at: new Date(TOUCHED) };
    const open = cartTimes({ cart: ordered, order: declined });
    assert.equal(told(plan(open, 30 * MINUTE_MS)), 'payment at +0:45');
    assert.equal(told(plan(open, HOUR_MS)), 'due payment_declined');
    const ended = cartTimes({ cart: { reminders_agreed_at: null }, order: { ...declined, state: 'cancelled' } });
    assert.equal(told(plan(ended, 45 * MINUTE_MS)), 'end at +1:00');
    assert.equal(told(plan(ended, HOUR_MS)), 'due payment_declined');
    const goneOn = cartTimes({ cart: { touched_at: new Date(TOUCHED + 1) }, order: { ...declined, state: 'cancelled' } });
    assert.equal(told(plan(goneOn, HOUR_MS + 1)), 'due reminder_1');
  });

  test('comes for each order of a cart that opened again', () => {
    const declined = { decline: { code: 'card_declined', text: 'No.' }, declined_at: new Date(TOUCHED) };
    const mailed = {
      payment_declined: TOUCHED - 24 * HOUR_MS,
      payment_action: TOUCHED - 24 * HOUR_MS,
      payment_failed: TOUCHED - 24 * HOUR_MS,
    };
    const second = (order: object) => cartTimes({ cart: { ...ordered, attempt: 2 }, order, mailed });
    assert.equal(told(plan(second(declined), HOUR_MS)), 'due payment_declined_2');
    const asked = { state: 'needs_action', action_since: new Date(TOUCHED) };
    assert.equal(told(plan(second(asked), 15 * MINUTE_MS)), 'due payment_action_2');
    const refused = { ...declined, delayed_since: new Date(TOUCHED - HOUR_MS) };
    assert.equal(told(plan(second(refused), 0)), 'due payment_failed_2');
    const ended = cartTimes({ cart: { reminders_agreed_at: null, attempt: 3 }, order: { ...declined, state: 'failed' }, mailed });
    assert.equal(told(plan(ended, HOUR_MS)), 'due payment_declined_2');
    const again = { ...mailed, payment_declined_2: TOUCHED + HOUR_MS };
    assert.equal(told(plan(cartTimes({ cart: { ...ordered, attempt: 2 }, order: declined, mailed: again }), HOUR_MS)), 'payment at +1:15');
  });

  test('takes the place of the reminder that would come at the same time', () => {
    const order = { state: 'cancelled', decline: { code: 'card_declined', text: 'No.' }, declined_at: new Date(TOUCHED) };
    const mailed = { payment_declined: TOUCHED + HOUR_MS };
    assert.equal(told(plan(cartTimes({ order, mailed }), HOUR_MS)), 'reminder at +2:00');
  });

  test('comes at once when a bank that took its time has refused in the end', () => {
    const order = {
      decline: { code: 'failed', text: 'No.' },
      declined_at: new Date(TOUCHED),
      delayed_since: new Date(TOUCHED - 72 * HOUR_MS),
    };
    assert.equal(told(plan(cartTimes({ cart: ordered, order }), 0)), 'due payment_failed');
  });

  test('does not come without an address, or when the money is there', () => {
    const order = { state: 'needs_action', action_since: new Date(TOUCHED - HOUR_MS) };
    assert.equal(told(plan(cartTimes({ cart: ordered, order: { ...order, email: null } }), 0)), 'done ordered');
    assert.equal(told(plan(cartTimes({ cart: ordered, order: { ...order, captured_amount: 1 } }), 0)), 'done ordered');
  });
});
