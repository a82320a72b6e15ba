// Why an order needs a person: reasons go with their causes, and one does not hide another.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OrderRow } from '../../src/store/checkout/merge.ts';
import { reasonsOf, stillStuck, stuckOf } from '../../src/store/checkout/stuck.ts';

const SINCE = '2026-11-25T12:00:00.000Z';

/** The part of a row that reasons are looked up in. */
function orderOf(more: Partial<OrderRow>): OrderRow {
  const row = { captured_amount: 1990, refunded_amount: 0, intent_status: 'succeeded', stuck: null, ...more };
  return row as OrderRow; // nothing else of it is read
}

function left(more: Partial<OrderRow>, ...reasons: readonly object[]): readonly string[] {
  const stuck = stuckOf(reasons.map((one) => ({ reason: '', since: SINCE, ...one })));
  return reasonsOf({ stuck: stillStuck(orderOf({ ...more, stuck })) }).map(({ reason }) => reason);
}

describe('a reason to look at an order', () => {
  test('is gone with the money that came too late, once it is back', () => {
    const reason = 'paid_after_end';
    assert.deepEqual(left({ refunded_amount: 1989 }, { reason }), [reason]);
    assert.deepEqual(left({ refunded_amount: 1990 }, { reason }), []);
  });

  test('is gone when as much was given back as before the bank took some of it back', () => {
    const failed = { reason: 'refund_failed', untilRefunded: 500 };
    assert.deepEqual(left({ refunded_amount: 499 }, failed), ['refund_failed']);
    assert.deepEqual(left({ refunded_amount: 500 }, failed), []);
    assert.deepEqual(left({ refunded_amount: 500 }, { reason: 'refund_failed' }), ['refund_failed'], 'all of it had to go back');
    assert.deepEqual(left({ refunded_amount: 1990 }, { reason: 'refund_failed' }), []);
  });

  test('is gone when the provider says of the payment what we know', () => {
    const reason = 'payment_status_unknown';
    assert.deepEqual(left({ intent_status: 'other' }, { reason }), [reason]);
    assert.deepEqual(left({}, { reason }), []);
  });

  test('leaves those that came after it, and the first of these takes its place', () => {
    const others = [
      { reason: 'second_payment', about: 'pi_1' },
      { reason: 'second_payment', about: 'pi_2' },
    ];
    assert.deepEqual(left({ refunded_amount: 1990 }, { reason: 'paid_after_end' }, ...others), ['second_payment', 'second_payment']);
    const kept = stuckOf(others.map((one) => ({ ...one, since: SINCE })));
    assert.deepEqual(kept, { ...others[0], since: SINCE, others: [{ ...others[1], since: SINCE }] });
    assert.equal(stillStuck(orderOf({ stuck: kept })), kept, 'what has not changed is the same');
  });
});
