import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METADATA, readRefund, readRefundName } from '../../src/adapters/payments-stripe-objects.ts';

/** As Stripe gives the refund of a SEPA debit. */
const REFUND = {
  id: 'pyr_1',
  object: 'refund',
  status: 'succeeded',
  amount: 500,
  currency: 'eur',
  payment_intent: 'pi_1',
  metadata: { [METADATA.tenant]: 'shop', [METADATA.order]: 'o1', [METADATA.key]: 'k1' },
  created: 1_700_000_000,
};

test('a refund of a debit has another prefix, and is one all the same', () => {
  const read = readRefund(REFUND);
  assert.ok(read !== undefined && read.value !== 'foreign');
  assert.deepEqual([read.value.id, read.value.intentId, read.value.money], ['pyr_1', 'pi_1', { amount: 500, currency: 'EUR' }]);
  assert.deepEqual(readRefundName(REFUND), { value: { id: 'pyr_1', intentId: 'pi_1' } });
});

test('a refund of a charge without a payment intent is somebody else’s, and keeps no list from being read', () => {
  for (const payment_intent of [null, undefined]) {
    assert.deepEqual(readRefund({ ...REFUND, payment_intent }), { value: 'foreign' });
    assert.deepEqual(readRefundName({ ...REFUND, payment_intent }), { value: 'foreign' });
  }
});

test('what is no refund is not understood', () => {
  for (const wrong of [{ ...REFUND, id: 'ch_1' }, { ...REFUND, amount: '5' }, undefined]) assert.equal(readRefund(wrong), undefined);
});
