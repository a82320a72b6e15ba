import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Stripe from 'stripe';
import { placeOf } from '../adapters/payments-account.suite.ts';
import { makeIntent, pay } from '../adapters/payments.suite.ts';
import { eventually } from '../support/eventually.ts';
import { forkTwin, openTwin } from '../support/stripe-twin.ts';
import type { TwinControl } from '../support/stripe-twin.ts';
import { openReceiver } from './webhook-receiver.ts';

const WAIT = { timeoutMs: 60_000 };

function clientOf({ url, account }: TwinControl): Stripe {
  return new Stripe(account.secretKey, placeOf(url));
}

describe("the simulator's webhooks", () => {
  it("are signed so that Stripe's own client accepts them", async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    const stripe = clientOf(twin);
    const { id } = await pay(stripe, 'pm_card_visa');
    await eventually(() => receiver.received.length === 3, WAIT);
    const [secret = ''] = twin.account.webhookSecrets;
    const events = receiver.received.map(({ body, signature }) => stripe.webhooks.constructEvent(body, signature, secret));
    assert.deepEqual(events.map(({ type }) => type).toSorted(), ['charge.succeeded', 'payment_intent.created', 'payment_intent.succeeded']);
    const paid = events.find((event) => event.type === 'payment_intent.succeeded');
    assert.equal(paid?.data.object.id, id);
    const [{ body, signature } = assert.fail('Nothing came.')] = receiver.received;
    assert.throws(() => stripe.webhooks.constructEvent(Buffer.from(`${body.toString()} `), signature, secret), {
      type: 'StripeSignatureVerificationError',
    });
    await eventually(async () => (await stripe.events.list({ delivery_success: false })).data.length === 0, WAIT);
    assert.deepEqual(
      (await stripe.events.list({ delivery_success: true })).data.map(({ pending_webhooks: pending }) => pending),
      [0, 0, 0],
    );
  });

  it('go to the endpoints that want them, signed for each', async () => {
    await using all = await openReceiver();
    await using some = await openReceiver();
    await using twin = await openTwin({ webhookUrl: all.url });
    const stripe = clientOf(twin);
    const { secret = '' } = await stripe.webhookEndpoints.create({ url: some.url, enabled_events: ['payment_intent.succeeded'] });
    await pay(stripe, 'pm_card_visa');
    await eventually(() => all.received.length === 3 && some.received.length === 1, WAIT);
    const [{ body, signature } = assert.fail('Nothing came.')] = some.received;
    assert.equal(stripe.webhooks.constructEvent(body, signature, secret).type, 'payment_intent.succeeded');
    assert.throws(() => stripe.webhooks.constructEvent(body, signature, twin.account.webhookSecrets[0] ?? ''));
  });

  it('are tried again, with growing pauses, until they are taken', async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    const stripe = clientOf(twin);
    receiver.status = 500;
    await makeIntent(stripe);
    for (const [attempt, pauseSeconds] of [5, 30, 300].entries()) {
      await eventually(() => receiver.received.length === attempt + 1, WAIT);
      await eventually(async () => (await waiting(twin)) === attempt + 2, WAIT);
      assert.equal((await stripe.events.list({ delivery_success: false })).data.length, 1);
      await twin.advanceSeconds(pauseSeconds);
    }
    receiver.status = 200;
    await eventually(async () => {
      await twin.advanceSeconds(3600);
      return (await stripe.events.list({ delivery_success: true })).data.length === 1;
    }, WAIT);
    assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1);
  });

  it('are given up at last, and stay listed as undelivered', async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    receiver.status = 503;
    await makeIntent(clientOf(twin));
    await eventually(async () => {
      await twin.advanceSeconds(86_400);
      return lastDelivery(await twin.audit())?.hasFailed;
    }, WAIT);
    const attempts = receiver.received.length;
    assert.equal(attempts, 10);
    await twin.advanceSeconds(7 * 86_400);
    assert.equal((await clientOf(twin).events.list({ delivery_success: false })).data.length, 1);
    assert.equal(receiver.received.length, attempts);
  });

  it('are sent after a kill if they were due before it', async () => {
    await using receiver = await openReceiver();
    await using twin = await forkTwin({ webhookUrl: receiver.url });
    receiver.status = 500;
    await makeIntent(clientOf(twin));
    await eventually(() => receiver.received.length > 0, WAIT);
    await twin.kill();
    receiver.status = 200;
    await twin.restart();
    await eventually(async () => (await clientOf(twin).events.list({ delivery_success: true })).data.length === 1, WAIT);
  });

  it('can be dropped, or vanish without a trace', async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    const stripe = clientOf(twin);
    await twin.setFaults({ seed: '1', webhooks: { dropped: 1 } });
    await pay(stripe, 'pm_card_visa');
    await eventually(async () => (await twin.audit()).filter(({ cause }) => cause === 'delivery').length === 3, WAIT);
    assert.equal((await stripe.events.list({ delivery_success: false })).data.length, 3);
    await twin.setFaults({ seed: '1', webhooks: { swallowed: 1 } });
    await makeIntent(stripe);
    await eventually(async () => (await stripe.events.list({ delivery_success: true })).data.length === 1, WAIT);
    assert.equal(receiver.received.length, 0);
  });

  it('can come twice', async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    await twin.setFaults({ seed: '1', webhooks: { doubled: 1 } });
    await makeIntent(clientOf(twin));
    await eventually(() => receiver.received.length === 2, WAIT);
    assert.equal(new Set(receiver.received.map(({ id }) => id)).size, 1);
  });

  it('can come late, and overtake each other', async () => {
    await using receiver = await openReceiver();
    await using twin = await openTwin({ webhookUrl: receiver.url });
    const stripe = clientOf(twin);
    await twin.setFaults({ seed: '1', webhooks: { late: 1 }, lateMs: 3_600_000 });
    await makeIntent(stripe);
    await eventually(async () => lastDelivery(await twin.audit())?.isHeld, WAIT);
    assert.equal(receiver.received.length, 0);
    await twin.advanceSeconds(3600);
    await eventually(() => receiver.received.length === 1, WAIT);
    await twin.setFaults({ seed: '1', webhooks: { reordered: 1 } });
    for (let count = 0; count < 8; count++) await makeIntent(stripe);
    await eventually(() => receiver.received.length === 9, WAIT);
    const made = (await stripe.events.list({ limit: 8 })).data.map(({ id }) => id).toReversed();
    assert.notDeepEqual(
      receiver.received.slice(1).map(({ id }) => id),
      made,
    );
    assert.deepEqual(
      receiver.received
        .slice(1)
        .map(({ id }) => id)
        .toSorted(),
      made.toSorted(),
    );
  });
});

type Entries = Awaited<ReturnType<TwinControl['audit']>>;

function lastDelivery(entries: Entries) {
  return entries
    .flatMap(({ changes }) => changes)
    .flatMap((change) => ('put' in change && change.table === 'delivery' ? [change.put] : []))
    .at(-1);
}

/** The number of the attempt that is waiting. */
async function waiting(twin: TwinControl): Promise<number> {
  return lastDelivery(await twin.audit())?.attempt ?? 0;
}
