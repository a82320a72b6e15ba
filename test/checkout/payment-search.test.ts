// Where a payment is looked for whose answer was lost, and what comes of it when there are too many to look through.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Answer, FindByKey, PaymentIntent } from '../../src/adapters/payments.ts';
import { lookForIntent } from '../../src/activities/checkout/payment-search.ts';

const MADE = new Date('2026-11-25T12:00:00Z');
const UNTIL = new Date('2026-11-25T12:00:25Z');
const NOW = new Date('2026-11-27T12:00:00Z');

async function search(until: Date | null, answer: Answer<PaymentIntent>) {
  const asked: FindByKey[] = [];
  const stuck: unknown[] = [];
  const parts = {
    payments: {
      findIntent: (request: FindByKey) => {
        asked.push(request);
        return Promise.resolve(answer);
      },
    },
    store: {
      checkout: {
        orders: {
          stuck: (...marked: unknown[]) => {
            stuck.push(marked);
            return Promise.reject(new Error('looked at below'));
          },
        },
      },
    },
  };
  const request = { tenantId: 'shop', orderId: 'o', now: NOW, key: 'k', effect: { created_at: MADE, until } };
  const told = await lookForIntent(parts, request).catch(() => 'stuck' as const);
  return { told, asked, stuck };
}

describe('a payment whose answer was lost', () => {
  test('is looked for in the time in which it can have been made, not among all that came after', async () => {
    const { told, asked } = await search(UNTIL, { outcome: 'absent' });
    assert.deepEqual(told, { outcome: 'absent' });
    assert.deepEqual(asked, [{ key: 'k', createdFrom: MADE.toISOString(), createdTo: '2026-11-25T13:00:25.000Z' }]);
    assert.deepEqual((await search(null, { outcome: 'absent' })).asked, [{ key: 'k', createdFrom: MADE.toISOString() }]);
  });

  test('among too many has its order listed for a person; one that can not be asked for just now has not', async () => {
    const { stuck } = await search(UNTIL, { outcome: 'unknown', reason: 'too_many_to_search' });
    assert.deepEqual(stuck, [[{ tenantId: 'shop', orderId: 'o', now: NOW }, 'payment_unfound']]);
    assert.deepEqual((await search(UNTIL, { outcome: 'unknown', reason: 'time_out' })).stuck, []);
  });
});
