import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import Stripe from 'stripe';
import { createPayments } from '../../src/adapters/payments.ts';
import type { Outcome, PaymentIntent, Payments } from '../../src/adapters/payments.ts';
import { amountProblem, CURRENCIES, formatMoney, LARGEST_AMOUNT } from '../../src/contracts/currencies.ts';
import { freePort } from '../support/free-port.ts';
import { openTwin } from '../support/stripe-twin.ts';
import type { OpenTwin } from '../support/stripe-twin.ts';
import { placeOf } from './payments-account.suite.ts';
import { RETURN_URL } from './payments.suite.ts';

const KEYS = { secretKey: 'sk_test_abc', publishableKey: 'pk_test_abc', webhookSecrets: ['whsec_new', 'whsec_old'] };

function owner() {
  return { tenantId: 'acme', orderId: randomUUID() };
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.outcome === 'done') return outcome.value;
  return assert.fail(JSON.stringify(outcome));
}

describe('payments by Stripe, against the simulator', () => {
  let twin: OpenTwin;
  let payments: Payments;
  before(async () => {
    twin = await openTwin();
    payments = createPayments(twin.account);
  });
  after(() => twin[Symbol.asyncDispose]());

  async function make(
    given: { readonly captureMethod?: 'automatic' | 'manual'; readonly currency?: string; readonly amount?: number } = {},
  ) {
    const { captureMethod = 'automatic', currency = 'EUR', amount = 2000 } = given;
    const key = randomUUID();
    return valueOf(await payments.createIntent({ owner: owner(), key, money: { amount, currency }, captureMethod }));
  }

  function confirm(intent: PaymentIntent, paymentMethod: string) {
    return payments.confirmIntent({ key: randomUUID(), intentId: intent.id, paymentMethod, returnUrl: RETURN_URL });
  }

  it('makes a payment under its owner and key, and finds it by the key', async () => {
    const request = { owner: owner(), key: randomUUID(), money: { amount: 5120, currency: 'KWD' }, captureMethod: 'manual' } as const;
    const startedAt = new Date().toISOString();
    const made = await payments.createIntent({ ...request, description: 'Order 7' });
    const intent = valueOf(made);
    assert.deepEqual(
      [intent.owner, intent.key, intent.money, intent.status, intent.captureMethod],
      [request.owner, request.key, request.money, 'needs_payment_method', 'manual'],
    );
    const again = await payments.createIntent({ ...request, description: 'Order 7' });
    assert.deepEqual([valueOf(again).id, again.outcome === 'done' && again.isReplay], [intent.id, true]);
    assert.deepEqual(await payments.findIntent({ key: request.key, createdFrom: startedAt }), { outcome: 'found', value: intent });
    assert.deepEqual(await payments.findIntent({ key: randomUUID(), createdFrom: startedAt }), { outcome: 'absent' });
    const other = { key: request.key, createdFrom: '2020-01-01T00:00:00Z', createdTo: '2020-01-02T00:00:00Z' };
    assert.deepEqual(await payments.findIntent(other), { outcome: 'absent' });
  });

  it('pays, tells fee and net, refunds, and tells both movements', async () => {
    const intent = await make();
    const paid = valueOf(await confirm(intent, 'pm_card_visa'));
    assert.deepEqual(
      [paid.status, paid.receivedAmount, paid.charge?.capturedAmount, paid.charge?.isCaptured],
      ['succeeded', 2000, 2000, true],
    );
    const { amount, fee, net } = paid.charge?.balance ?? assert.fail('There is no movement.');
    assert.deepEqual([amount, fee, net], [2000, 55, 1945]);
    const refund = valueOf(
      await payments.createRefund({
        key: randomUUID(),
        owner: intent.owner,
        intentId: intent.id,
        amount: 300,
        reason: 'requested_by_customer',
      }),
    );
    assert.deepEqual(
      [refund.status, refund.money, refund.balance?.net, refund.owner],
      ['succeeded', { amount: 300, currency: 'EUR' }, -300, intent.owner],
    );
    const later = await payments.retrieveIntent(intent.id);
    assert.equal(later.outcome === 'found' && later.value.charge?.refundedAmount, 300);
    assert.deepEqual(await payments.retrieveRefund(refund.id), { outcome: 'found', value: refund });
    assert.deepEqual(await payments.listRefunds({ intentId: intent.id }), { outcome: 'found', value: { items: [refund] } });
  });

  it('counts what was authorized and not taken as neither received nor refunded', async () => {
    const intent = await make({ captureMethod: 'manual' });
    const authorized = valueOf(await confirm(intent, 'pm_card_visa'));
    assert.deepEqual([authorized.status, authorized.capturableAmount, authorized.receivedAmount], ['authorized', 2000, 0]);
    assert.ok(Date.parse(authorized.charge?.captureBefore ?? '') > Date.now());
    const captured = valueOf(await payments.captureIntent({ key: randomUUID(), intentId: intent.id, amount: 1500 }));
    assert.deepEqual(
      [captured.status, captured.receivedAmount, captured.charge?.capturedAmount, captured.charge?.refundedAmount],
      ['succeeded', 1500, 1500, 0],
    );
    const other = await make({ captureMethod: 'manual' });
    await confirm(other, 'pm_card_visa');
    const cancelled = valueOf(await payments.cancelIntent({ key: randomUUID(), intentId: other.id }));
    assert.deepEqual([cancelled.status, cancelled.receivedAmount, cancelled.charge?.refundedAmount], ['cancelled', 0, 0]);
  });

  it('tells a decline with words for the buyer, and nothing that hints at theft', async () => {
    const intent = await make();
    const poor = await confirm(intent, 'pm_card_visa_chargeDeclinedInsufficientFunds');
    assert.ok(poor.outcome === 'refused' && poor.refusal.kind === 'declined');
    assert.deepEqual(
      [poor.refusal.code, poor.refusal.declineCode, poor.refusal.intent?.status],
      ['card_declined', 'insufficient_funds', 'needs_payment_method'],
    );
    assert.match(poor.refusal.text, /too little money/);
    const texts = new Set<string>();
    for (const method of ['pm_card_visa_chargeDeclined', 'pm_card_visa_chargeDeclinedLostCard', 'pm_card_visa_chargeDeclinedStolenCard']) {
      const declined = await confirm(intent, method);
      assert.ok(declined.outcome === 'refused');
      texts.add(declined.refusal.text);
    }
    assert.equal(texts.size, 1);
    assert.equal(valueOf(await confirm(intent, 'pm_card_visa')).status, 'succeeded');
  });

  it('tells where the buyer has to go, and what came of it', async () => {
    const intent = await make();
    const waiting = valueOf(await confirm(intent, 'pm_card_authenticationRequired'));
    assert.deepEqual([waiting.status, waiting.nextAction?.type], ['needs_action', 'redirect_to_url']);
    await twin.approve(waiting.nextAction?.url ?? '', 'fail');
    const refused = await payments.retrieveIntent(intent.id);
    assert.ok(refused.outcome === 'found');
    assert.deepEqual(
      [refused.value.status, refused.value.lastDecline?.code],
      ['needs_payment_method', 'payment_intent_authentication_failure'],
    );
  });

  it('says that a payment is in no state for it', async () => {
    const intent = await make();
    valueOf(await confirm(intent, 'pm_card_visa'));
    const { id: intentId } = intent;
    const outcomes = [
      await payments.cancelIntent({ key: randomUUID(), intentId }),
      await payments.captureIntent({ key: randomUUID(), intentId }),
      await payments.updateIntent({ key: randomUUID(), intentId, money: { amount: 1, currency: 'EUR' } }),
      await payments.updateIntent({ key: randomUUID(), intentId, money: { amount: 3000, currency: 'EUR' } }),
    ];
    assert.deepEqual(
      outcomes.map((one) => one.outcome === 'refused' && one.refusal.kind),
      ['state', 'state', 'invalid', 'state'],
    );
    const refund = { owner: intent.owner, intentId };
    valueOf(await payments.createRefund({ ...refund, key: randomUUID() }));
    const twice = await payments.createRefund({ ...refund, key: randomUUID() });
    assert.ok(twice.outcome === 'refused' && twice.refusal.code === 'charge_already_refunded' && twice.refusal.kind === 'state');
  });

  it('changes the amount of an open payment', async () => {
    const intent = await make();
    const money = { amount: 700, currency: 'JPY' };
    assert.deepEqual(valueOf(await payments.updateIntent({ key: randomUUID(), intentId: intent.id, money })).money, money);
  });

  it('shows nothing of, and changes nothing in, what is not ours', async () => {
    const stranger = new Stripe(twin.account.secretKey, placeOf(twin.url));
    const foreign = await stranger.paymentIntents.create({ amount: 1000, currency: 'eur', capture_method: 'automatic' });
    const { id: intentId } = foreign;
    assert.deepEqual(await payments.retrieveIntent(intentId), { outcome: 'foreign' });
    const outcomes = [
      await payments.cancelIntent({ key: randomUUID(), intentId }),
      await payments.confirmIntent({ key: randomUUID(), intentId, paymentMethod: 'pm_card_visa', returnUrl: RETURN_URL }),
      await payments.createRefund({ key: randomUUID(), intentId, owner: owner() }),
    ];
    for (const one of outcomes) assert.ok(one.outcome === 'refused' && one.refusal.code === 'foreign', JSON.stringify(one));
    assert.deepEqual(await stranger.paymentIntents.retrieve(intentId), foreign);
    const listed = await payments.listIntents({});
    assert.ok(listed.outcome === 'found' && listed.value.items.every(({ id }) => id !== intentId));
    const events = await payments.listEvents({});
    assert.ok(events.outcome === 'found' && events.value.items.length > 0);
    assert.ok(events.value.items.every((event) => event.owner !== undefined && event.intentId !== intentId));
  });

  it('lists page after page', async () => {
    const createdFrom = new Date().toISOString();
    const keys = [];
    for (let count = 0; count < 5; count++) keys.push((await make()).key);
    const found: string[] = [];
    let next: { readonly after?: string } = {};
    for (;;) {
      const page = await payments.listIntents({ createdFrom, limit: 2, ...next });
      assert.ok(page.outcome === 'found');
      found.push(...page.value.items.map(({ key }) => key));
      if (page.value.next === undefined) break;
      next = { after: page.value.next };
    }
    assert.deepEqual(found.slice(0, 5), keys.toReversed());
    const [newest, oldest] = [await payments.listBalanceTransactions({ limit: 1 }), await payments.listEvents({ isUndelivered: true })];
    assert.ok(newest.outcome === 'found' && newest.value.items.length === 1 && newest.value.next !== undefined);
    assert.deepEqual(oldest, { outcome: 'found', value: { items: [] } });
  });

  it('knows by reading that what it heard nothing of has happened', async () => {
    for (const kind of ['reply_lost', 'cut_body', 'bad_gateway_after', 'error_500_after'] as const) {
      await twin.setFaults({ seed: kind, requests: [{ kind, share: 1, route: 'POST /v1/payment_intents' }] });
      const request = { owner: owner(), key: randomUUID(), money: { amount: 2000, currency: 'EUR' }, captureMethod: 'automatic' } as const;
      const createdFrom = new Date().toISOString();
      const lost = await payments.createIntent(request);
      assert.equal(lost.outcome, 'unknown', `${kind}: ${JSON.stringify(lost)}`);
      await twin.setFaults({});
      const found = await payments.findIntent({ key: request.key, createdFrom });
      assert.ok(found.outcome === 'found', kind);
      const repeated = await payments.createIntent(request);
      if (kind === 'error_500_after')
        assert.deepEqual([repeated.outcome, repeated.outcome === 'unknown' && repeated.isReplay], ['unknown', true]);
      else assert.equal(valueOf(repeated).id, found.value.id, kind);
    }
  });

  it('knows by reading that what failed has not happened, and pays under the next key', async () => {
    await twin.setFaults({ seed: '1', requests: [{ kind: 'error_500', share: 1, route: 'POST /v1/payment_intents' }] });
    const request = { owner: owner(), key: randomUUID(), money: { amount: 2000, currency: 'EUR' }, captureMethod: 'automatic' } as const;
    const createdFrom = new Date().toISOString();
    assert.equal((await payments.createIntent(request)).outcome, 'unknown');
    await twin.setFaults({});
    const again = await payments.createIntent(request);
    assert.ok(again.outcome === 'unknown' && again.isReplay);
    assert.deepEqual(await payments.findIntent({ key: request.key, createdFrom }), { outcome: 'absent' });
    valueOf(await payments.createIntent({ ...request, key: randomUUID() }));
  });

  it('makes each request once, also when its connection is closed', async () => {
    await twin.setFaults({ seed: '1', requests: [{ kind: 'reply_lost', share: 1, route: 'POST /v1/payment_intents', attempts: 9 }] });
    const key = randomUUID();
    const lost = await payments.createIntent({ owner: owner(), key, money: { amount: 2000, currency: 'EUR' }, captureMethod: 'automatic' });
    await twin.setFaults({});
    assert.deepEqual([lost.outcome, lost.outcome === 'unknown' && lost.reason], ['unknown', 'dropped']);
    assert.equal((await twin.audit()).filter(({ request }) => request?.idempotencyKey === key).length, 1);
  });

  it('waits as long as the other side asks for', async () => {
    await twin.setFaults({ seed: '1', requests: [{ kind: 'rate_limited', share: 1 }] });
    const limited = await payments.createIntent({
      owner: owner(),
      key: randomUUID(),
      money: { amount: 2000, currency: 'EUR' },
      captureMethod: 'automatic',
    });
    await twin.setFaults({});
    assert.deepEqual(limited, { outcome: 'not_done', reason: 'rate_limited', retryAfterMs: 1000 });
  });

  it('treats a key with other parameters as unknown, never as refused', async () => {
    const request = { owner: owner(), key: randomUUID(), captureMethod: 'automatic' } as const;
    valueOf(await payments.createIntent({ ...request, money: { amount: 2000, currency: 'EUR' } }));
    const other = await payments.createIntent({ ...request, money: { amount: 2001, currency: 'EUR' } });
    assert.deepEqual([other.outcome, other.outcome === 'unknown' && other.reason], ['unknown', 'key_reused']);
  });

  it('does nothing with keys that are not let in', async () => {
    const stranger = createPayments({ ...twin.account, secretKey: 'sk_test_stranger' });
    const outcome = await stranger.createIntent({
      owner: owner(),
      key: 'k',
      money: { amount: 2000, currency: 'EUR' },
      captureMethod: 'automatic',
    });
    assert.deepEqual(outcome, { outcome: 'not_done', reason: 'credentials' });
  });
});

describe('payments by Stripe, against servers that lie', () => {
  const cases: readonly (readonly [string, (response: ServerResponse, request: IncomingMessage) => void])[] = [
    ['an empty object', (response) => json(response, 200, {})],
    ['a 404 without an error', (response) => json(response, 404, { message: 'Not Found' })],
    ['a 500 without an error', (response) => json(response, 500, { oops: 1 })],
    ['a 502 in HTML', (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')],
    ['another kind of object', (response) => json(response, 200, { id: 'cus_1', object: 'customer' })],
    ['another amount', (response) => json(response, 200, intentBody({ amount: 1 }))],
    ['another key', (response) => json(response, 200, intentBody({ metadata: { ...OURS, nightshift_key: 'other' } }))],
    ['an intent of nobody', (response) => json(response, 200, intentBody({ metadata: {} }))],
    ['JSON that is cut off', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"pi_1",')],
    ['null', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('null')],
  ];
  for (const [title, respond] of cases) {
    it(`takes ${title} for unknown`, async () => {
      await using server = await lie(respond);
      const made = await server.payments.createIntent(WANTED);
      assert.equal(made.outcome, 'unknown', JSON.stringify(made));
      const read = await server.payments.retrieveIntent('pi_1');
      assert.notEqual(read.outcome, 'absent');
    });
  }

  it('believes an answer that fits, and none about another object than was asked for', async () => {
    await using server = await lie((response) => json(response, 200, intentBody({})));
    assert.equal(valueOf(await server.payments.createIntent(WANTED)).id, 'pi_1');
    assert.equal((await server.payments.retrieveIntent('pi_1')).outcome, 'found');
    assert.equal((await server.payments.retrieveIntent('pi_2')).outcome, 'unknown');
  });

  it('keeps a state that it does not know for a person to look at', async () => {
    await using server = await lie((response) => json(response, 200, intentBody({ status: 'on_holiday' })));
    assert.equal(valueOf(await server.payments.createIntent(WANTED)).status, 'other');
  });

  it('breaks off at the deadline, and is unsure then', async () => {
    await using server = await lie(() => {});
    const late = await server.payments.createIntent({ ...WANTED, deadline: performance.now() + 300 });
    assert.deepEqual([late.outcome, late.outcome === 'unknown' && late.reason], ['unknown', 'timeout']);
    const abort = new AbortController();
    const stopped = server.payments.createIntent({ ...WANTED, signal: abort.signal });
    await server.asked();
    abort.abort();
    assert.equal((await stopped).outcome, 'unknown');
    const count = server.count();
    assert.deepEqual(await server.payments.createIntent({ ...WANTED, deadline: performance.now() - 1 }), {
      outcome: 'not_done',
      reason: 'aborted',
    });
    assert.deepEqual(await server.payments.createIntent({ ...WANTED, signal: abort.signal }), { outcome: 'not_done', reason: 'aborted' });
    assert.equal(server.count(), count, 'nothing was sent');
  });

  it('is sure that nothing happened where nobody was reached', async () => {
    const payments = createPayments({ ...KEYS, simulatorUrl: `http://127.0.0.1:${await freePort()}` });
    assert.deepEqual(await payments.createIntent(WANTED), { outcome: 'not_done', reason: 'unreachable' });
    assert.deepEqual(await payments.retrieveIntent('pi_1'), { outcome: 'unknown', reason: 'unreachable' });
    const change = await payments.cancelIntent({ key: 'k', intentId: 'pi_1' });
    assert.deepEqual(change, { outcome: 'not_done', reason: 'unreachable' });
  });

  it('sends version, key and no telemetry', async () => {
    await using server = await lie((response) => json(response, 200, intentBody({})));
    await server.payments.createIntent(WANTED);
    await server.payments.createIntent(WANTED);
    const { headers } = server.last() ?? assert.fail('Nothing came.');
    assert.deepEqual(
      [headers['idempotency-key'], headers['stripe-version'], headers['authorization']],
      ['k1', '2026-10-28.endive', 'Bearer sk_test_abc'],
    );
    assert.equal(headers['x-stripe-client-telemetry'], undefined);
  });
});

describe('webhooks of Stripe', () => {
  const payments = createPayments(KEYS);
  const nowMs = Date.parse('2026-11-25T12:00:00Z');
  const event = {
    id: 'evt_1',
    object: 'event',
    type: 'charge.succeeded',
    created: 1_764_000_000,
    livemode: false,
    data: {
      object: {
        id: 'ch_1',
        object: 'charge',
        payment_intent: 'pi_1',
        metadata: { nightshift_tenant: 'acme', nightshift_order: 'o1', nightshift_key: 'k' },
      },
    },
  };
  const sign = (body: string, secret = 'whsec_new', secondsAgo = 0) =>
    new Stripe('sk_test_x').webhooks.generateTestHeaderString({ payload: body, secret, timestamp: nowMs / 1000 - secondsAgo });
  const check = (body: string, signature: string | undefined) => payments.checkWebhook({ body: Buffer.from(body), signature, nowMs });
  const body = JSON.stringify(event, undefined, 2);

  it('are genuine by the present secret and by the one before', () => {
    for (const secret of ['whsec_new', 'whsec_old']) {
      assert.deepEqual(check(body, sign(body, secret)), {
        isGenuine: true,
        event: {
          id: 'evt_1',
          type: 'charge.succeeded',
          createdAt: new Date(1_764_000_000_000).toISOString(),
          about: { kind: 'charge', id: 'ch_1' },
          intentId: 'pi_1',
          owner: { tenantId: 'acme', orderId: 'o1' },
        },
      });
    }
    const both = `${sign(body, 'whsec_other')},v1=${sign(body).split('v1=')[1]}`;
    assert.equal(check(body, both).isGenuine, true, 'one of several signatures');
  });

  it('are not without a signature of ours over exactly these bytes', () => {
    const wrong = [
      undefined,
      '',
      't=1',
      'v1=abc',
      't=x,v1=abc',
      sign(body, 'whsec_other'),
      sign(`${body} `),
      sign(JSON.stringify(event)),
      't=1,v1=',
    ];
    for (const signature of wrong) assert.deepEqual(check(body, signature), { isGenuine: false, reason: 'signature' }, signature);
  });

  it('are not when more than five minutes old, or ahead', () => {
    assert.equal(check(body, sign(body, 'whsec_new', 300)).isGenuine, true);
    assert.deepEqual(check(body, sign(body, 'whsec_new', 301)), { isGenuine: false, reason: 'too_old' });
    assert.equal(check(body, sign(body, 'whsec_new', -300)).isGenuine, true);
    assert.deepEqual(check(body, sign(body, 'whsec_new', -301)), { isGenuine: false, reason: 'too_new' });
  });

  it('are told apart by mode, and by whether they are events at all', () => {
    const live = JSON.stringify({ ...event, livemode: true });
    assert.deepEqual(check(live, sign(live)), { isGenuine: false, reason: 'mode' });
    for (const other of ['{', '[]', '{"id":1}']) assert.deepEqual(check(other, sign(other)), { isGenuine: false, reason: 'malformed' });
  });

  it('about kinds that are not followed are genuine too, so that they are answered', () => {
    const strange = JSON.stringify({ ...event, type: 'terminal.reader.action_failed', data: { object: { id: 7, metadata: [1] } } });
    const checked = check(strange, sign(strange));
    assert.deepEqual(checked.isGenuine && [checked.event.about, checked.event.owner], [{ kind: 'other', id: '' }, undefined]);
  });
});

describe('settings of a Stripe account', () => {
  it('must be of a kind, and of one mode; live ones must be allowed', () => {
    assert.throws(() => createPayments({ ...KEYS, secretKey: 'pk_test_abc' }), /STRIPE_API_KEY/);
    assert.throws(() => createPayments({ ...KEYS, publishableKey: 'pk_live_abc' }), /STRIPE_PUBLISHABLE_KEY/);
    const live = { ...KEYS, secretKey: 'sk_live_abc', publishableKey: 'pk_live_abc' };
    assert.throws(() => createPayments(live), /ALLOW_LIVE_PAYMENTS=1/);
    assert.throws(() => createPayments({ ...live, allowsLivePayments: true, simulatorUrl: 'http://127.0.0.1:1' }), /STRIPE_URL/);
    assert.deepEqual(
      [
        KEYS,
        { ...KEYS, secretKey: 'rk_test_abc' },
        { ...live, allowsLivePayments: true },
        { ...KEYS, simulatorUrl: 'http://127.0.0.1:1' },
      ].map((settings) => createPayments(settings).mode),
      ['test', 'test', 'live', 'simulated'],
    );
  });
});

describe("Stripe's smallest units", () => {
  it('are neither those of ISO 4217 nor those of Intl', () => {
    const unitOf = (code: string) => [CURRENCIES.get(code)?.decimals, CURRENCIES.get(code)?.multipleOf];
    assert.deepEqual(['EUR', 'USD', 'JPY', 'KRW', 'MGA', 'ISK', 'UGX', 'HUF', 'TWD', 'KWD', 'BHD', 'TND', 'XXX'].map(unitOf), [
      [2, 1],
      [2, 1],
      [0, 1],
      [0, 1],
      [0, 1],
      [2, 100],
      [2, 100],
      [2, 1],
      [2, 1],
      [3, 10],
      [3, 10],
      [3, 10],
      [undefined, undefined],
    ]);
    const digitsOfIntl = (currency: string) =>
      new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
    assert.deepEqual(
      ['ISK', 'UGX'].filter((code) => digitsOfIntl(code) === CURRENCIES.get(code)?.decimals),
      [],
    );
    assert.equal(
      [...CURRENCIES.values()].every(({ code }) => /^[A-Z]{3}$/.test(code)),
      true,
    );
  });

  it('say which amounts can be charged', () => {
    const isFine = (amount: number, currency: string) => amountProblem(amount, currency) === undefined;
    for (const [amount, currency] of [
      [1, 'EUR'],
      [500, 'JPY'],
      [5120, 'KWD'],
      [500, 'ISK'],
      [1501, 'HUF'],
      [LARGEST_AMOUNT, 'USD'],
    ] as const) {
      assert.ok(isFine(amount, currency), `${amount} ${currency}`);
    }
    for (const [amount, currency] of [
      [0, 'EUR'],
      [-1, 'EUR'],
      [1.5, 'EUR'],
      [NaN, 'EUR'],
      [1, 'eur'],
      [5124, 'KWD'],
      [550, 'ISK'],
      [550, 'UGX'],
      [LARGEST_AMOUNT + 1, 'EUR'],
    ] as const) {
      assert.ok(!isFine(amount, currency), `${amount} ${currency}`);
    }
  });

  it('are written out alike on every machine', () => {
    const written = [
      [1250, 'EUR'],
      [5, 'EUR'],
      [500, 'JPY'],
      [5120, 'KWD'],
      [-99, 'USD'],
      [50_000, 'ISK'],
    ] as const;
    assert.deepEqual(
      written.map(([amount, currency]) => formatMoney({ amount, currency })),
      ['12.50 EUR', '0.05 EUR', '500 JPY', '5.120 KWD', '-0.99 USD', '500.00 ISK'],
    );
  });
});

const OURS = { nightshift_tenant: 'acme', nightshift_order: 'o1', nightshift_key: 'k1' };
const WANTED = {
  owner: { tenantId: 'acme', orderId: 'o1' },
  key: 'k1',
  money: { amount: 2000, currency: 'EUR' },
  captureMethod: 'automatic',
} as const;

function intentBody(given: object): object {
  return {
    id: 'pi_1',
    object: 'payment_intent',
    status: 'requires_payment_method',
    amount: 2000,
    currency: 'eur',
    capture_method: 'automatic',
    amount_capturable: 0,
    amount_received: 0,
    client_secret: 'pi_1_secret_x',
    metadata: OURS,
    created: 1_764_000_000,
    ...given,
  };
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A server that answers everything in one way. */
async function lie(respond: (response: ServerResponse, request: IncomingMessage) => void) {
  const requests: IncomingMessage[] = [];
  let heard = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    requests.push(request);
    heard.resolve();
    request.resume();
    request.once('end', () => respond(response, request));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    payments: createPayments({ ...KEYS, simulatorUrl: `http://127.0.0.1:${port}` }),
    count: () => requests.length,
    last: () => requests.at(-1),
    /** Resolves with the next request. */
    async asked() {
      heard = Promise.withResolvers<void>();
      await heard.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
