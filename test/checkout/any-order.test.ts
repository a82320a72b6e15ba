// What the provider says, heard in every order there is, some of it twice and three times: the same order, the same books.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BalanceTransaction, PaymentIntent, Refund } from '../../src/adapters/payments.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { createRandom, shuffled } from '../../chaos/lib/random.ts';
import { useDatabase } from '../support/ground.ts';
import { copiesOf, newOrder, openShop } from './order-rows.ts';

const TENANT = 'shop';
const NOW = new Date('2026-11-25T12:00:00Z');
const LANES = 32;
const TOTAL = 1990;
const REFUNDED = 400;

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: LANES });
  store = createStore(databases, createDispatchBridge());
  await openShop({ store, tenantId: TENANT, now: NOW }, TOTAL);
});
after(() => databases[Symbol.asyncDispose]());

/** How the payment stood after each of six events: what a reading that was begun then has seen. */
interface Reading {
  readonly intent: PaymentIntent;
  readonly refund?: Refund;
}

function readingsOf(orderId: string): readonly Reading[] {
  const owner = { tenantId: TENANT, orderId };
  const createdAt = NOW.toISOString();
  const intent: PaymentIntent = {
    ...{ id: `pi_${orderId}`, owner, key: `${orderId}/intent#1`, status: 'needs_payment_method', createdAt },
    ...{ money: { amount: TOTAL, currency: 'EUR' }, captureMethod: 'automatic', capturableAmount: 0, receivedAmount: 0 },
    clientSecret: `pi_${orderId}_secret`,
  };
  const taken = balance(`txn_c_${orderId}`, TOTAL, 55);
  const charge = {
    id: `ch_${orderId}`,
    status: 'succeeded',
    isCaptured: true,
    capturedAmount: TOTAL,
    refundedAmount: 0,
    balance: taken,
  } as const;
  const paid: PaymentIntent = { ...intent, status: 'succeeded', receivedAmount: TOTAL, charge };
  const given: PaymentIntent = { ...paid, charge: { ...charge, refundedAmount: REFUNDED } };
  const refund: Refund = {
    ...{ id: `re_${orderId}`, owner, key: `${orderId}/undo-1#1`, intentId: intent.id, status: 'pending', createdAt },
    money: { amount: REFUNDED, currency: 'EUR' },
  };
  const returned = balance(`txn_r_${orderId}`, -REFUNDED, 0);
  return [
    { intent },
    { intent: { ...intent, lastDecline: { code: 'card_declined', text: 'No.' } } },
    { intent: { ...intent, status: 'needs_action', nextAction: { type: 'redirect_to_url', url: 'https://bank.example/1' } } },
    { intent: paid },
    { intent: given, refund },
    { intent: given, refund: { ...refund, status: 'succeeded', balance: returned } },
  ];
}

function balance(id: string, amount: number, fee: number): BalanceTransaction {
  const type = amount < 0 ? 'refund' : 'charge';
  return { id, type, sourceId: undefined, amount, fee, net: amount - fee, currency: 'EUR', createdAt: NOW.toISOString() };
}

/** Merges readings in the order in which they come; the ticket of each says when it was begun. */
async function hear(orderId: string, order: readonly number[]): Promise<void> {
  const readings = readingsOf(orderId);
  const at = { tenantId: TENANT, orderId, now: NOW };
  for (const index of order) {
    const { intent, refund } = readings[index] ?? assert.fail('There are six.');
    await store.checkout.payments.applyIntent({ ...at, intent, ticket: index + 1, payUntil: NOW, tellsWorkflow: true });
    if (refund !== undefined) await store.checkout.payments.applyRefund({ ...at, refund });
  }
}

/** All that an order and its books say, without the names that are its own. */
async function standing(orderId: string): Promise<string> {
  const found = await withTenant(databases.app, TENANT, async (tx) => {
    const order = await tx.selectFrom('checkout_order').selectAll().where('id', '=', orderId).executeTakeFirstOrThrow();
    const refunds = await tx.selectFrom('payment_refund').selectAll().where('order_id', '=', orderId).execute();
    const entries = await tx
      .selectFrom('ledger_entry as e')
      .innerJoin('ledger_transaction as t', 't.id', 'e.transaction_id')
      .select(['t.source_kind', 't.source_id', 'e.account', 'e.currency', 'e.amount'])
      .where('t.order_id', '=', orderId)
      .orderBy('t.source_kind')
      .orderBy('t.source_id')
      .orderBy('e.leg')
      .execute();
    return { order, refunds, entries };
  });
  const { state, intent_status, decline, next_action, captured_amount, refunded_amount, authorized_amount, stuck } = found.order;
  const order = { state, intent_status, decline, next_action, captured_amount, refunded_amount, authorized_amount, stuck };
  const refunds = found.refunds.map(({ state: refundState, amount, cause }) => [refundState, amount, cause]);
  const names = new Map([[orderId, 'ORDER'], ...found.refunds.map(({ id }) => [id, 'REFUND'] as const)]);
  const text = JSON.stringify({ order, refunds, entries: found.entries }, undefined, 1);
  return [...names].reduce((all, [name, word]) => all.replaceAll(name, word), text);
}

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length < 2) return [[...values]];
  return values.flatMap((first, index) => permutations(values.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

/** One of them comes once more, and another twice more, somewhere. */
function withDuplicates(order: readonly number[], nth: number): readonly number[] {
  const random = createRandom(nth, 'duplicates');
  const [once = 0, twice = 0] = shuffled(random, order);
  let all = [...order];
  for (const again of [once, twice, twice]) all = all.toSpliced(random.below(all.length + 1), 0, again);
  return all;
}

describe('six things that happen to a payment', () => {
  test('end in one state and the same books in each of their 720 orders, with duplicates', async () => {
    const original = await newOrder({ store, tenantId: TENANT, now: NOW });
    await hear(original, [0, 1, 2, 3, 4, 5]);
    const expected = await standing(original);
    const { order } = JSON.parse(expected);
    assert.deepEqual(
      [order.state, order.captured_amount, order.refunded_amount, order.stuck],
      ['partially_refunded', TOTAL, REFUNDED, null],
    );
    const orders = permutations([0, 1, 2, 3, 4, 5]);
    assert.equal(new Set(orders.map(String)).size, 720);
    const copied = await newOrder({ store, tenantId: TENANT, now: NOW });
    const ids = await copiesOf({ databases, tenantId: TENANT, orderId: copied, count: orders.length });
    const waiting = orders.map((one, nth) => ({ heard: withDuplicates(one, nth), id: ids[nth] ?? '' }));
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await hear(next.id, next.heard);
        assert.equal(await standing(next.id), expected, `in the order ${next.heard.join(' ')}`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const owed = await store.checkout.ledger.balances(TENANT);
    assert.equal(Number(owed.find(({ account }) => account === 'provider_clearing')?.balance), 721 * (TOTAL - 55 - REFUNDED));
  });
});
