// How far back payments are compared: from the last turn that was finished, over a real database and a provider that only notes what it is asked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { pino } from 'pino';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type PaymentReader, startPaymentJobs } from '../../src/control/payments.ts';
import { createMetrics } from '../../src/metrics.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { eventually } from '../support/eventually.ts';
import { useDatabase } from '../support/ground.ts';
import { copiesOf, newOrder, openShop } from './order-rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const BEGAN_MS = Date.parse('2026-11-02T12:00:00Z');

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 4 });
  store = createStore(databases, createDispatchBridge());
});
after(() => databases[Symbol.asyncDispose]());

interface Turn {
  /** Whether the provider can be asked. */
  readonly isReached?: boolean;
  readonly syncOrder?: PaymentReader['syncOrder'];
}

/** One turn at this instant; answers since when events were asked for. */
async function turnAt(afterMs: number, { isReached = true, syncOrder = () => Promise.resolve(undefined) }: Turn = {}): Promise<number> {
  const asked: { sinceMs?: number; isThrough?: true } = {};
  const payments: PaymentReader = {
    syncHint: () => Promise.resolve('merged'),
    syncOrder,
    undelivered(since) {
      asked.sinceMs = since.getTime();
      return Promise.resolve(isReached ? [] : undefined);
    },
    madeSince: () => Promise.resolve(isReached ? { intents: [], refunds: [] } : undefined),
  };
  const clock = (): Date => new Date(BEGAN_MS + afterMs);
  const watched: typeof store.system.checkout = {
    ...store.system.checkout,
    async deleteHintsBefore(now) {
      await store.system.checkout.deleteHintsBefore(now);
      asked.isThrough = true;
    },
  };
  const seen = { ...store, system: { ...store.system, checkout: watched } };
  const log = pino({ level: 'silent' });
  await using _jobs = startPaymentJobs({ store: seen, payments, clock, log, reconcileMs: 5 * MINUTE_MS });
  await eventually(() => Promise.resolve(asked.isThrough === true), { timeoutMs: 120_000 });
  return (asked.sinceMs ?? assert.fail('it did not ask')) - BEGAN_MS;
}

describe('events that were not delivered', () => {
  test('are asked for since the last turn that was finished, however long ago, as long as the provider keeps them', async () => {
    assert.equal(await turnAt(0), -10 * MINUTE_MS - HOUR_MS, 'at first');
    assert.equal(await turnAt(5 * MINUTE_MS), -HOUR_MS);
    assert.equal(await turnAt(10 * DAY_MS), 5 * MINUTE_MS - HOUR_MS, 'after ten days in which nothing ran');
    assert.equal(await turnAt(11 * DAY_MS, { isReached: false }), 10 * DAY_MS - HOUR_MS);
    assert.equal(await turnAt(12 * DAY_MS), 10 * DAY_MS - HOUR_MS, 'a turn in which the provider could not be asked does not count');
    assert.equal(await turnAt(100 * DAY_MS), 70 * DAY_MS, 'older ones are gone');
  });
});

describe('payments that may still change', () => {
  test('are all read anew, also when reading them changes nothing', async () => {
    const tenantId = 'shop';
    const now = new Date(BEGAN_MS);
    await openShop({ store, tenantId, now }, 1990);
    const orderId = await newOrder({ store, tenantId, now });
    const ids = await copiesOf({ databases, tenantId, orderId, count: 250 });
    await withTenant(databases.app, tenantId, (tx) =>
      sql`update checkout_order set intent_id = 'pi_' || id, intent_status = 'authorized', state = 'authorized'`.execute(tx),
    );
    const read = new Set<string>();
    const syncOrder: PaymentReader['syncOrder'] = (order) => Promise.resolve(read.add(order.orderId));
    await turnAt(200 * DAY_MS, { syncOrder });
    assert.deepEqual(read, new Set([orderId, ...ids]));
    await withTenant(databases.app, tenantId, (tx) => sql`update checkout_order set state = 'failed'`.execute(tx));
  });

  test('are read once a day for a month after a refund, though nothing is open any more', async () => {
    const at = { store, tenantId: 'refunding', now: new Date(BEGAN_MS + 300 * DAY_MS) };
    await openShop(at, 1990);
    const orderId = await newOrder(at);
    await withTenant(databases.app, at.tenantId, async (tx) => {
      await sql`update checkout_order set intent_id = 'pi_' || id, state = 'partially_refunded', captured_amount = 1990, refunded_amount = 500`.execute(
        tx,
      );
      await sql`insert into payment_refund (id, tenant_id, order_id, provider_id, amount, state, cause, created_at, updated_at)
        values (${crypto.randomUUID()}, ${at.tenantId}, ${orderId}, 're_1', 500, 'succeeded', 'asked', ${at.now}, ${at.now})`.execute(tx);
    });
    const readAt = async (afterMs: number): Promise<boolean> => {
      const read = new Set<string>();
      await turnAt(afterMs, { syncOrder: (order) => Promise.resolve(read.add(order.orderId)) });
      return read.has(orderId);
    };
    assert.deepEqual(
      [await readAt(301 * DAY_MS), await readAt(301 * DAY_MS + HOUR_MS), await readAt(302 * DAY_MS), await readAt(331 * DAY_MS)],
      [true, false, true, false],
    );
  });
});

describe('the metrics', () => {
  test('tell how many events nobody has acted on, and for how long', async () => {
    const now = new Date(BEGAN_MS + 400 * DAY_MS);
    const hint = (id: string) => ({ id, type: 'charge.updated', about: { kind: 'intent', id: 'pi_1' } });
    await store.system.checkout.receive([hint('evt_1'), hint('evt_2')], now);
    const { registry } = createMetrics({
      backlog: () => Promise.resolve({ count: 0, oldest: undefined }),
      inbox: () => store.system.checkout.inboxBacklog(),
      open: () => Promise.resolve([]),
      clock: () => new Date(now.getTime() + 90_000),
    });
    const seen = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('nightshift_payment_inbox'));
    assert.deepEqual((await seen()).toSorted(), [
      'nightshift_payment_inbox_backlog 2',
      'nightshift_payment_inbox_backlog_oldest_seconds 90',
    ]);
    for (const id of ['evt_1', 'evt_2']) await store.system.checkout.settleHint(id, 'merged', now);
    assert.deepEqual((await seen()).toSorted(), [
      'nightshift_payment_inbox_backlog 0',
      'nightshift_payment_inbox_backlog_oldest_seconds 0',
    ]);
  });
});
