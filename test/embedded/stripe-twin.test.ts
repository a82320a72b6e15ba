import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Stripe from 'stripe';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { pay, refusal } from '../adapters/payments.suite.ts';
import { requestFault } from '../../src/embedded/stripe-twin/faults.ts';
import type { FaultPlan } from '../../src/embedded/stripe-twin/faults.ts';
import { eventually } from '../support/eventually.ts';
import { forkTwin, openTwin } from '../support/stripe-twin.ts';
import type { TwinControl } from '../support/stripe-twin.ts';

const WAIT = { timeoutMs: 60_000 };
const KILLS = 4;
const WRITERS = 6;

function clientOf({ url, account }: TwinControl): Stripe {
  return new Stripe(account.secretKey, placeOf(url));
}

describe("the simulator's journal", () => {
  it('loses nothing that was acknowledged when it is killed in the middle of writes', async () => {
    await using twin = await forkTwin();
    const stripe = clientOf(twin);
    const acknowledged: Stripe.PaymentIntent[] = [];
    const unanswered: string[] = [];
    const write = async (): Promise<void> => {
      for (;;) {
        const idempotencyKey = randomUUID();
        const request = {
          amount: 1000,
          currency: 'eur',
          confirm: true,
          payment_method: 'pm_card_visa',
          return_url: 'https://shop.example.com',
        };
        try {
          acknowledged.push(await stripe.paymentIntents.create({ ...request, metadata: { key: idempotencyKey } }, { idempotencyKey }));
        } catch {
          unanswered.push(idempotencyKey);
          return;
        }
      }
    };
    for (let kill = 1; kill <= KILLS; kill++) {
      const enough = acknowledged.length + 10 * kill;
      const writers = Array.from({ length: WRITERS }, write);
      await eventually(() => acknowledged.length >= enough, WAIT);
      await twin.kill();
      await Promise.all(writers);
      await twin.restart();
    }
    assert.ok(unanswered.length >= KILLS, 'requests were under way at the kills');
    for (const { id, latest_charge: charge } of acknowledged) {
      const found = await stripe.paymentIntents.retrieve(id);
      assert.deepEqual([found.status, found.latest_charge, found.amount_received], ['succeeded', charge, 1000]);
    }
    const keys = (await allIntents(stripe)).map(({ metadata }) => metadata['key']);
    assert.equal(new Set(keys).size, keys.length, 'each key made one payment');
    const charges = await stripe.charges.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
    assert.equal(charges.length, keys.length, 'nothing was written by halves');
    // Asynchronous capture books a moment after the answer.
    await eventually(async () => {
      const movements = await stripe.balanceTransactions.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
      assert.ok(movements.length <= keys.length, 'nothing was booked twice');
      return movements.length === keys.length;
    }, WAIT);
  });

  it('cuts a line off that was not written whole, and goes on', async () => {
    await using twin = await forkTwin();
    const stripe = clientOf(twin);
    const { id } = await stripe.customers.create({ name: 'Ada' });
    await twin.kill();
    appendFileSync(join(twin.folder, 'journal.ndjson'), '{"number":2,"at":"2026-11-');
    await twin.restart();
    assert.equal((await stripe.customers.retrieve(id)).id, id);
    const { id: next } = await stripe.customers.create({ name: 'Grace' });
    await twin.kill();
    await twin.restart();
    assert.equal((await stripe.customers.retrieve(next)).id, next);
  });

  it('refuses to begin on a journal that is damaged before its end', async () => {
    await using twin = await forkTwin();
    await clientOf(twin).customers.create({ name: 'Ada' });
    await clientOf(twin).customers.create({ name: 'Grace' });
    await twin.kill();
    const file = join(twin.folder, 'journal.ndjson');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"number"', '"numb'));
    await assert.rejects(twin.restart(), /damaged in line 1/);
  });

  it('brings what was due, the clock, the faults and the keys over a kill', async () => {
    await using twin = await forkTwin();
    const stripe = clientOf(twin);
    const idempotencyKey = randomUUID();
    const customer = await stripe.customers.create({}, { idempotencyKey });
    const { id } = await pay(stripe, 'pm_successDelayed_de');
    await twin.advanceSeconds(100);
    await twin.setFaults({ seed: 'x', requests: [{ kind: 'rate_limited', share: 1, route: 'POST /v1/refunds' }] });
    await twin.kill();
    await twin.restart();
    assert.equal((await stripe.customers.create({}, { idempotencyKey })).id, customer.id);
    assert.equal((await refusal(stripe.refunds.create({ payment_intent: id }))).statusCode, 429);
    assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'processing');
    await twin.advanceSeconds(81);
    assert.equal((await stripe.paymentIntents.retrieve(id)).status, 'succeeded');
  });

  it('tells a judge everything in its order, each entry whole', async () => {
    await using twin = await openTwin();
    const stripe = clientOf(twin);
    await twin.setFaults({ seed: '1', requests: [{ kind: 'error_500_after', share: 1, route: 'POST /v1/refunds' }] });
    const { id } = await pay(stripe, 'pm_card_visa');
    const idempotencyKey = randomUUID();
    for (let count = 0; count < 2; count++) await refusal(stripe.refunds.create({ payment_intent: id, amount: 300 }, { idempotencyKey }));
    const entries = await twin.audit();
    assert.deepEqual(
      entries.map(({ number }) => number),
      entries.map((_, index) => index + 1),
    );
    const refunds = entries.filter(({ request }) => request?.path === '/v1/refunds');
    assert.deepEqual(
      refunds.map(({ request }) => [request?.status, request?.fault, request?.isReplay, request?.idempotencyKey]),
      [
        [500, 'error_500_after', false, idempotencyKey],
        [500, null, true, idempotencyKey],
      ],
    );
    const moved = entries
      .flatMap(({ changes }) => changes)
      .flatMap((change) => ('put' in change && change.table === 'balance_transaction' ? [change.put.amount] : []));
    assert.deepEqual(moved, [2000, -300]);
  });
});

describe("the simulator's faults", () => {
  it('loses answers after the work was done: the next request under the key gets the first answer', async () => {
    await using twin = await openTwin();
    const stripe = clientOf(twin);
    for (const kind of ['reply_lost', 'cut_body', 'bad_gateway_after'] as const) {
      await twin.setFaults({ seed: kind, requests: [{ kind, share: 1, route: 'POST /v1/customers', attempts: 2 }] });
      const idempotencyKey = randomUUID();
      const email = `${idempotencyKey}@example.com`;
      const create = () => stripe.customers.create({ email }, { idempotencyKey });
      // Stripe's client itself tries once more when a connection was closed.
      const first = await create().then(
        (made) => made.lastResponse.statusCode,
        () => 'lost',
      );
      assert.ok(first === 'lost' || first === 502, `${kind}: ${first}`);
      assert.equal((await stripe.customers.list({ email })).data.length, 1, kind);
      await twin.setFaults({});
      assert.equal((await create()).email, email, kind);
      assert.equal((await stripe.customers.list({ email })).data.length, 1, kind);
    }
  });

  it('fails before anything was done', async () => {
    await using twin = await openTwin();
    const stripe = clientOf(twin);
    const outcomes = [];
    for (const kind of ['error_500', 'rate_limited', 'bad_gateway'] as const) {
      await twin.setFaults({ seed: kind, requests: [{ kind, share: 1, route: 'POST /v1/customers' }] });
      const email = `${randomUUID()}@example.com`;
      const made = await stripe.customers.create({ email }).catch((error: unknown) => error);
      const status =
        made instanceof Stripe.errors.StripeError ? made.statusCode : (made as Stripe.Response<object>).lastResponse.statusCode; // else an answer
      outcomes.push([kind, status, (await stripe.customers.list({ email })).data.length]);
    }
    assert.deepEqual(outcomes, [
      ['error_500', 500, 0],
      ['rate_limited', 429, 0],
      ['bad_gateway', 502, 0],
    ]);
    const error = await twin
      .setFaults({ seed: '1', requests: [{ kind: 'rate_limited', share: 1 }] })
      .then(() => refusal(stripe.customers.create({})));
    assert.equal(error.headers?.['retry-after'], '1');
  });

  it('hits the share that was asked for, the same keys for the same seed, and each key as often as was asked for', () => {
    const plan: FaultPlan = {
      id: 'plan',
      seed: '7',
      requests: [
        { kind: 'reply_lost', share: 0.1, attempts: 2 },
        { kind: 'rate_limited', share: 0.05 },
      ],
      webhooks: {},
      lateMs: 0,
    };
    const hit = (seed: string, attempt: number) =>
      Array.from({ length: 4000 }, (_, index) => {
        const request = { method: 'POST', path: '/v1/refunds', key: `key-${index}`, attempt };
        return requestFault({ ...plan, seed }, request)?.kind;
      });
    const first = hit('7', 1);
    const share = (kind: string) => first.filter((one) => one === kind).length / first.length;
    assert.ok(Math.abs(share('reply_lost') - 0.1) < 0.02 && Math.abs(share('rate_limited') - 0.05) < 0.015);
    assert.deepEqual(hit('7', 1), first);
    assert.notDeepEqual(hit('8', 1), first);
    assert.deepEqual(
      hit('7', 2),
      first.map((kind) => (kind === 'reply_lost' ? kind : undefined)),
    );
    assert.ok(hit('7', 3).every((kind) => kind === undefined));
    assert.equal(
      requestFault({ ...plan, requests: [{ kind: 'slow', share: 1 }] }, { method: 'GET', path: '/v1/refunds', key: 'a', attempt: 1 }),
      undefined,
    );
  });

  it('refuses a plan that makes no sense', async () => {
    await using twin = await openTwin();
    for (const plan of [
      'none',
      '[]x',
      '{"requests":[{"kind":"reply_lost","share":2}]}',
      '{"requests":[{"kind":"unheard_of","share":1}]}',
      '{"requests":{}}',
      '{"webhooks":{"unheard_of":1}}',
      '{"webhooks":{"dropped":-1}}',
      '{"seed":7}',
    ]) {
      const response = await fetch(`${twin.url}/_twin/faults`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${twin.account.secretKey}` },
        body: plan,
      });
      assert.equal(response.status, 400, plan);
    }
    for (const body of ['{}', '{"advanceSeconds":-1}', '{"advanceSeconds":1e99}']) {
      const headers = { authorization: `Bearer ${twin.account.secretKey}` };
      assert.equal((await fetch(`${twin.url}/_twin/clock`, { method: 'POST', headers, body })).status, 400, body);
    }
  });
});

describe("the simulator's clock", () => {
  it('lets things happen on the way, each at its own time', async () => {
    await using twin = await openTwin();
    const stripe = clientOf(twin);
    const startedAt = (await stripe.customers.create({})).created;
    const debit = await pay(stripe, 'pm_successDelayed_de');
    const hold = await pay(stripe, 'pm_card_visa', { capture_method: 'manual' });
    await twin.advanceSeconds(8 * 86_400);
    const { data } = await stripe.events.list({ types: ['charge.succeeded', 'charge.expired'], limit: 100 });
    const at = (type: string, intent: string) =>
      (data.find((event) => event.type === type && 'payment_intent' in event.data.object && event.data.object.payment_intent === intent)
        ?.created ?? 0) - startedAt;
    assert.ok(Math.abs(at('charge.succeeded', debit.id) - 180) < 30, 'the debit succeeded after three minutes');
    assert.ok(Math.abs(at('charge.expired', hold.id) - 7 * 86_400) < 30, 'the authorization expired after seven days');
    assert.ok((await stripe.customers.create({})).created - startedAt >= 8 * 86_400);
  });
});

async function allIntents(stripe: Stripe): Promise<readonly Stripe.PaymentIntent[]> {
  return stripe.paymentIntents.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
}
