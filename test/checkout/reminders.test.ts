// The time of a cart, over days that pass in seconds: the workflow on a clock that skips, its activities over a real database.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createTemplateFolder } from '../../src/adapters/templates-folder.ts';
import { createCartActivities } from '../../src/activities/checkout/cart.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import type { PaymentIntent } from '../../src/adapters/payments.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { openRecovery } from '../../src/contracts/checkout/recovery.ts';
import type { EmailContent } from '../../src/contracts/email.ts';
import type { CartRef } from '../../src/contracts/pure/carts.ts';
import { cartWorkflowId } from '../../src/contracts/pure/ids.ts';
import { TASK_QUEUES } from '../../src/contracts/pure/task-queues.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { useBundle, useDatabase } from '../support/ground.ts';
import { quietTemporal } from '../support/quiet-temporal.ts';
import { useSkippedTime } from '../support/skipped-time.ts';

const HOUR_MS = 3_600_000;
const TENANT = 'shop';
const ACTOR = { actor: 'key:test' };
const DELAYS_H = [1, 24, 72];

quietTemporal();
let environment: TestWorkflowEnvironment;
let databases: Databases;
let store: Store;

before(async () => {
  environment = await useSkippedTime();
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 8 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: TENANT, name: 'A shop', actor: ACTOR, now: new Date() });
  await product(100);
});
after(async () => {
  await environment.teardown();
  await databases[Symbol.asyncDispose]();
});

async function product(stock: number): Promise<void> {
  const content = { name: 'Gear', prices: [{ amount: 1990, currency: 'EUR' }], taxPercent: 19, stock, isActive: true };
  await store.products.put({ tenantId: TENANT, sku: 'gear', content, actor: ACTOR, now: new Date() });
}

/** A cart of somebody who agreed to reminders, touched now by the clock that skips, somewhere where it is noon at that moment. */
async function newCart(contact: object = {}): Promise<{ readonly ref: CartRef; readonly now: Date }> {
  const now = new Date(await environment.currentTimeMs());
  const at = { tenantId: TENANT, actor: ACTOR, now };
  const items = [{ sku: 'gear', quantity: 1 }];
  const made = await store.carts.create({ ...at, currency: 'EUR', items, ownerSubject: undefined, idempotency: undefined });
  assert.ok(made.outcome === 'created');
  const cartId = made.cart.id;
  const consent = { reminders: true, wording: '2026-11' };
  const timeZone = noonZone(now);
  await store.carts.putContact({ ...at, cartId, contact: { email: `${cartId}@example.com`, timeZone, consent, ...contact } });
  return { ref: { tenantId: TENANT, kind: 'cart', cartId, keeper: 1 }, now };
}

/** Twelve o'clock there, so that all of 1, 24 and 72 hours later is day. Signs of these zones are the other way round. */
function noonZone(now: Date): string {
  const ahead = 12 - now.getUTCHours();
  return ahead === 0 ? 'Etc/GMT' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
}

interface Checkout {
  readonly ref: CartRef;
  readonly now: Date;
}

const AT_THE_BANK = { status: 'needs_action', nextAction: { type: 'redirect_to_url', url: 'https://bank.example/1' } } as const;
const DECLINED = { status: 'needs_payment_method', lastDecline: { code: 'card_declined', text: 'The card was declined.' } } as const;

/** Checks it out, with a payment that stands so. */
async function checkOut({ ref: { cartId }, now }: Checkout, standing: Partial<PaymentIntent>): Promise<string> {
  const at = { tenantId: TENANT, actor: ACTOR, now };
  const items = [{ sku: 'gear', quantity: 1 }];
  const quote = await store.products.catalogue.quote({ tenantId: TENANT, cartId, currency: 'EUR', items, now });
  const { cart } = (await store.carts.get(TENANT, cartId)) ?? assert.fail('there is no cart');
  const input = { cartId, quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' };
  const payUntil = new Date(now.getTime() + HOUR_MS);
  const order = { ...at, kind: KINDS.order, start: {}, input, quote, cartVersion: cart.version, payUntil };
  const accepted = await store.checkout.acceptOrder(order);
  assert.ok(accepted.outcome === 'created', accepted.outcome);
  const { id: orderId } = accepted.operation;
  await tried({ orderId, nth: 1, now }, standing);
  return orderId;
}

interface Try {
  readonly orderId: string;
  readonly nth: number;
  readonly now: Date;
}

/** What came of a try at paying. */
async function tried(about: Try, standing: Partial<PaymentIntent>): Promise<void> {
  await heard(about, standing);
  await store.checkout.orders.confirmed({ ...about, tenantId: TENANT }, about.nth);
}

/** Merges a reading of the payment. */
async function heard({ orderId, nth, now }: Try, standing: Partial<PaymentIntent>): Promise<void> {
  const at = { tenantId: TENANT, orderId, now };
  const intent: PaymentIntent = {
    ...{
      id: `pi_${orderId}`,
      owner: { tenantId: TENANT, orderId },
      key: 'k',
      status: 'needs_payment_method',
      createdAt: now.toISOString(),
    },
    ...{ money: { amount: 1990, currency: 'EUR' }, captureMethod: 'automatic', capturableAmount: 0, receivedAmount: 0, clientSecret: 's' },
    ...standing,
  };
  await store.checkout.payments.applyIntent({ ...at, intent, ticket: nth, payUntil: now, tellsWorkflow: false });
}

/** The mails of a cart, and how many minutes after the cart was touched each was taken on. */
async function minutesOf({ ref, now }: Checkout): Promise<readonly (readonly [string, number])[]> {
  const rows = await mailRows(ref);
  return rows.map(({ step, claimed_at }) => [step, Math.floor((claimed_at.getTime() - now.getTime()) / 60_000)]);
}

/** Ends the order of somebody who has not paid when the time is up, as its workflow does: the payment is taken back first. */
function abandonAfter({ now }: Checkout, { orderId, minutes }: { readonly orderId: string; readonly minutes: number }) {
  return async (nowMs: number): Promise<void> => {
    if (nowMs < now.getTime() + minutes * 60_000) return;
    await heard({ orderId, nth: 99, now: new Date(nowMs) }, { status: 'cancelled' });
    await store.checkout.orders.end({ tenantId: TENANT, orderId, now: new Date(nowMs) }, { state: 'failed', code: 'payment_abandoned' });
  };
}

interface Kept {
  readonly why: string;
  /** Hours after the cart was touched at which a mail was taken on, by step. */
  readonly mails: Readonly<Record<string, number | undefined>>;
}

/** Runs the workflow of a cart to its end. */
async function keep(
  { ref, now }: { readonly ref: CartRef; readonly now: Date },
  { beforeLook, ...more }: { readonly expiresAfterMs?: number; readonly beforeLook?: (nowMs: number) => Promise<void> } = {},
): Promise<Kept> {
  const made = createCartActivities({
    store,
    catalogue: store.products.catalogue,
    templates: createTemplateFolder(new URL('../../templates/email', import.meta.url).pathname),
    shopName: 'Test shop',
    cartRules: { reminderDelaysMs: DELAYS_H.map((hours) => hours * HOUR_MS), shopTimeZone: 'UTC', expiresAfterMs: 100 * HOUR_MS, ...more },
    cartRecoveryUrl: 'https://shop.example.com/cart?from=mail',
  });
  const activities: typeof made = {
    ...made,
    async lookAtCart(turn) {
      await beforeLook?.(turn.nowMs);
      return made.lookAtCart(turn);
    },
  };
  const connection = environment.nativeConnection;
  const codePath = await useBundle();
  const worker = await Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.core, workflowBundle: { codePath }, activities });
  const { why } = await worker.runUntil(
    environment.client.workflow.execute<(ref: CartRef) => Promise<{ readonly why: string }>>('cart', {
      workflowId: cartWorkflowId(ref),
      taskQueue: TASK_QUEUES.core,
      args: [ref],
    }),
  );
  const rows = await mailRows(ref);
  const mails = rows.map(({ step, operation_id, claimed_at }) => [
    step,
    operation_id === null ? undefined : Math.floor((claimed_at.getTime() - now.getTime()) / HOUR_MS),
  ]);
  return { why, mails: Object.fromEntries(mails) };
}

function mailRows({ cartId }: CartRef) {
  return withTenant(databases.app, TENANT, (tx) =>
    tx.selectFrom('cart_mail').selectAll().where('cart_id', '=', cartId).orderBy('step').execute(),
  );
}

async function statusOf({ cartId }: CartRef): Promise<string | undefined> {
  return (await store.carts.get(TENANT, cartId))?.cart.status;
}

describe('the time of a cart', () => {
  test('reminds after 1, 24 and 72 hours, and closes the cart when nobody comes', async () => {
    const cart = await newCart();
    const startedAt = performance.now();
    assert.deepEqual(await keep(cart), { why: 'expired', mails: { reminder_1: 1, reminder_2: 24, reminder_3: 72 } });
    assert.equal(await statusOf(cart.ref), 'expired');
    assert.ok(performance.now() - startedAt < HOUR_MS);
  });

  test('writes reminders in the buyer’s language, as bulk, with a link that opens the cart and tells nothing of the buyer', async () => {
    const cart = await newCart({ name: 'Ada', locale: 'de-AT' });
    await keep(cart, { expiresAfterMs: 2 * HOUR_MS });
    const [row] = await mailRows(cart.ref);
    const operation = await store.operations.get(TENANT, row?.operation_id ?? '');
    assert.equal(operation?.natural_key, `cart:${cart.ref.cartId}:reminder_1`);
    const mail = operation.input as unknown as EmailContent; // as the e-mail feature keeps it
    assert.deepEqual([mail.category, mail.locale, mail.subject], ['bulk', 'de', 'Ihr Warenkorb bei Test shop wartet noch']);
    assert.match(mail.html ?? '', /Guten Tag Ada/);
    assert.match(mail.html ?? '', /\{\{unsubscribeUrl\}\}/);
    assert.match(mail.html ?? '', /19,90/);
    const link = /https:\/\/shop\.example\.com\/cart\?from=mail&(?:amp;)?cart=([\w.-]+)/.exec(mail.html ?? '')?.[1] ?? '';
    const secret = await store.email.unsubscribeSecret(TENANT);
    const at = row?.claimed_at ?? new Date();
    assert.deepEqual(openRecovery(secret, link, at), { tenantId: TENANT, cartId: cart.ref.cartId });
    assert.equal(openRecovery(secret, link, new Date(at.getTime() + 169 * HOUR_MS)), undefined, 'seven days are over');
    assert.equal(openRecovery(secret, `${link.slice(0, -2)}AA`, at), undefined, 'forged');
    assert.doesNotMatch(Buffer.from(link.slice(link.indexOf('.') + 1), 'base64url').toString('latin1'), /ada|example/i);
  });

  test('waits for the morning', async () => {
    const now = new Date(await environment.currentTimeMs());
    // Where it is 20:30 now: in an hour it is night, until 8 in the morning.
    const ahead = (20 - now.getUTCHours() + 24) % 24;
    const timeZone = ahead <= 12 ? `Etc/GMT-${ahead}` : `Etc/GMT+${24 - ahead}`;
    const { mails } = await keep(await newCart({ timeZone }), { expiresAfterMs: 20 * HOUR_MS });
    // From twenty and something to eight.
    assert.equal(mails['reminder_1'], 11, JSON.stringify(mails));
  });

  test('reminds nobody who has not agreed, or who is suppressed; and ends at once with an empty cart', async () => {
    const silent = await newCart({ consent: { reminders: false } });
    assert.deepEqual(await keep(silent), { why: 'expired', mails: {} });
    const refused = await newCart();
    const address = `${refused.ref.cartId}@example.com`;
    await store.email.suppress({ tenantId: TENANT, address, scope: 'bulk', reason: 'unsubscribed', actor: ACTOR, now: refused.now });
    assert.deepEqual(await keep(refused), {
      why: 'expired',
      mails: { reminder_1: undefined, reminder_2: undefined, reminder_3: undefined },
    });
    const emptied = await newCart();
    const line = { tenantId: TENANT, actor: ACTOR, cartId: emptied.ref.cartId, sku: 'gear', quantity: 0, now: emptied.now };
    await store.carts.putItem(line);
    assert.deepEqual(await keep(emptied), { why: 'emptied', mails: {} });
    await store.carts.putItem({ ...line, quantity: 1 });
    const again = await store.carts.get(TENANT, emptied.ref.cartId);
    assert.deepEqual([again?.cart.keeper, again?.cart.is_kept], [2, true], 'the next article starts the next workflow');
    assert.deepEqual(await keep(emptied), { why: 'replaced', mails: {} });
  });

  test('writes after a quarter of an hour about a payment that waits at the bank, whatever was agreed to', async () => {
    const cart = await newCart({ consent: { reminders: false } });
    const orderId = await checkOut(cart, AT_THE_BANK);
    await keep(cart, { beforeLook: abandonAfter(cart, { orderId, minutes: 60 }) });
    const [mail, ...more] = await minutesOf(cart);
    assert.deepEqual([mail?.[0], more], ['payment_action', []]);
    assert.ok(mail !== undefined && mail[1] >= 15 && mail[1] < 20, `after ${mail?.[1]} minutes`);
  });

  for (const [what, tries] of [
    ['a payment that was declined', 1],
    ['one that was declined a second time, with another card', 2],
  ] as const)
    test(`writes an hour after ${what}, also when the order has ended meanwhile`, async () => {
      const cart = await newCart({ consent: { reminders: false } });
      const orderId = await checkOut(cart, DECLINED);
      if (tries === 2) {
        const at = { tenantId: TENANT, orderId, now: cart.now };
        await store.checkout.orders.askPayment(at, { paymentMethod: 'pm_card_mastercard', payUntil: cart.now });
        await tried({ orderId, nth: 2, now: cart.now }, DECLINED);
      }
      await keep(cart, { beforeLook: abandonAfter(cart, { orderId, minutes: 30 }) });
      const [mail, ...more] = await minutesOf(cart);
      assert.deepEqual([mail?.[0], more], ['payment_declined', []]);
      assert.ok(mail !== undefined && mail[1] >= 60 && mail[1] < 65, `after ${mail?.[1]} minutes`);
    });

  test('writes at once when a bank that took its time has refused, also when the order ends on it', async () => {
    const cart = await newCart({ consent: { reminders: false } });
    const orderId = await checkOut(cart, { status: 'processing' });
    const refusedMs = cart.now.getTime() + 40 * 60_000;
    const end = abandonAfter(cart, { orderId, minutes: 40 });
    await keep(cart, {
      async beforeLook(nowMs) {
        if (nowMs >= refusedMs) await heard({ orderId, nth: 2, now: new Date(nowMs) }, DECLINED);
        await end(nowMs);
      },
    });
    const [mail, ...more] = await minutesOf(cart);
    assert.deepEqual([mail?.[0], more], ['payment_failed', []]);
    assert.ok(mail !== undefined && mail[1] >= 40 && mail[1] < 60, `after ${mail?.[1]} minutes`);
  });

  test('passes over a reminder of what is sold out', async () => {
    const cart = await newCart();
    await product(0);
    const { mails } = await keep(cart);
    await product(100);
    assert.deepEqual(mails, { reminder_1: undefined, reminder_2: undefined, reminder_3: undefined });
  });
});
