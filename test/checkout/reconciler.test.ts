// How far back payments are compared: from the last turn that was finished, over a real database and a provider that only notes what it is asked.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type PaymentReader, startPaymentJobs } from '../../src/control/payments.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { eventually } from '../support/eventually.ts';
import { useDatabase } from '../support/ground.ts';

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

/** One turn at this instant; answers since when events were asked for. */
async function turnAt(afterMs: number, { isReached = true }: { readonly isReached?: boolean } = {}): Promise<number> {
  const asked: { sinceMs?: number; isThrough?: true } = {};
  const payments: PaymentReader = {
    syncHint: () => Promise.resolve('merged'),
    syncOrder: () => Promise.resolve(undefined),
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
  await eventually(() => Promise.resolve(asked.isThrough === true));
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
