// Word on a payment that is still open, against whoever ends that at the same moment: in PostgreSQL itself, its order forced by locks.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import { planCart } from '../../src/activities/checkout/cart-plan.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { CartRef } from '../../src/contracts/pure/carts.ts';
import type { MailClaimed } from '../../src/store/checkout/cart-times.ts';
import { lockOrder, write } from '../../src/store/checkout/payments.ts';
import { withTenant } from '../../src/store/database.ts';
import { ACTOR, DUE, RULES, TENANT, TOUCHED, useClaims } from './claims.ts';

const ROUNDS = 300;

/** What the buyer was to be asked for has happened, is under way, or is of no use any more. */
const RIVALS = {
  paid: { state: 'paid', intent_status: 'succeeded', captured_amount: 100 },
  approved: { state: 'processing', intent_status: 'processing', next_action: null },
  cancelled: { state: 'cancelled', intent_status: 'cancelled', next_action: null },
} as const;
const NAMES = Object.keys(RIVALS) as (keyof typeof RIVALS)[]; // the keys of the constant above

const world = useClaims();
const { wouldBeSent, untilSomebodyWaits, holdingOperations } = world;

interface Case {
  readonly ref: CartRef;
  readonly orderId: string;
  readonly address: string;
}

/** A cart that was ordered, and whose buyer the bank has asked to approve the payment, an hour ago. */
async function firstCase(): Promise<Case> {
  const at = { tenantId: TENANT, actor: ACTOR, now: TOUCHED };
  const items = [{ sku: 'gear', quantity: 1 }];
  const made = await world.store().carts.create({ ...at, currency: 'EUR', items, ownerSubject: undefined, idempotency: undefined });
  assert.ok(made.outcome === 'created');
  const { id: cartId } = made.cart;
  const address = `${cartId}@example.com`;
  const cart = await world.store().carts.putContact({ ...at, cartId, contact: { email: address, consent: { reminders: false } } });
  assert.ok(cart !== undefined);
  const quote = await world.store().products.catalogue.quote({ tenantId: TENANT, cartId, currency: 'EUR', items, now: TOUCHED });
  const { cart: stored } = (await world.store().carts.get(TENANT, cartId)) ?? assert.fail('there is no cart');
  const input = { cartId, quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' };
  const order = { ...at, kind: KINDS.order, start: {}, input, quote, cartVersion: stored.version, payUntil: DUE };
  const accepted = await world.store().checkout.acceptOrder(order);
  assert.ok(accepted.outcome === 'created');
  const orderId = accepted.operation.id;
  await change({ orderId, changes: { state: 'needs_action', intent_status: 'needs_action' }, now: TOUCHED });
  return { ref: { tenantId: TENANT, kind: 'cart', cartId, keeper: stored.keeper }, orderId, address };
}

/** As many that are the same in all but their names. */
async function newCases(count: number): Promise<readonly Case[]> {
  const first = await firstCase();
  const cases = Array.from({ length: count }, () => ({ cartId: crypto.randomUUID(), orderId: crypto.randomUUID() }));
  const [carts, orders] = [cases.map(({ cartId }) => cartId), cases.map(({ orderId }) => orderId)];
  const copy = (table: string, id: string, own: string) => sql`insert into ${sql.table(table)}
    select (jsonb_populate_record(o, ${sql.raw(own)})).* from ${sql.table(table)} o, unnest(${carts}::uuid[], ${orders}::uuid[]) as n(cart, ord)
    where o.id = ${id}::uuid`;
  await withTenant(world.databases().app, TENANT, async (tx) => {
    await sql`insert into stream (id, tenant_id, seq) select id, ${TENANT}, 0 from unnest(${orders}::uuid[]) id`.execute(tx);
    const named = "'id', n.ord, 'root_id', n.ord, 'natural_key', n.ord, 'workflow_id', 'order:' || n.ord";
    await copy('operation', first.orderId, `jsonb_build_object(${named})`).execute(tx);
    const cart = "jsonb_build_object('id', n.cart, 'order_id', n.ord, 'email', n.cart || '@example.com')";
    await copy('cart', first.ref.cartId, cart).execute(tx);
    await sql`insert into cart_line (tenant_id, cart_id, sku, quantity, created_at)
      select ${TENANT}, id, 'gear', 1, ${TOUCHED} from unnest(${carts}::uuid[]) id`.execute(tx);
    const order = "jsonb_build_object('id', n.ord, 'cart_id', n.cart, 'stream_id', n.ord, 'email', n.cart || '@example.com')";
    await copy('checkout_order', first.orderId, order).execute(tx);
  });
  return cases.map(({ cartId, orderId }) => ({ ref: { ...first.ref, cartId }, orderId, address: `${cartId}@example.com` }));
}

function claim({ ref, address }: Case): Promise<MailClaimed> {
  return world.store().checkout.cartTimes.claimMail({
    ...{ ref, step: 'payment_action', passedOver: [], now: DUE, plan: (times) => planCart(times, RULES, DUE) },
    ...{ mail: { to: [address], subject: 'Your order', text: 'Approve it.' }, address, isBulk: false, expiresAt: undefined },
  });
}

interface OrderChange {
  readonly orderId: string;
  readonly changes: Parameters<typeof write>[2]['changes'];
  readonly now?: Date;
  /** Awaited within the transaction. */
  readonly beforeCommit?: () => Promise<void>;
}

/** Writes it as whoever reads the payment does. */
async function change({ orderId, changes, now = DUE, beforeCommit }: OrderChange): Promise<void> {
  await withTenant(world.databases().app, TENANT, async (tx) => {
    const row = (await lockOrder(tx, orderId)) ?? assert.fail('there is no order');
    await write(tx, row, { changes, now });
    await beforeCommit?.();
  });
}

describe(`word on an open payment that is due, over ${ROUNDS} rounds`, () => {
  test('is not sent when something has happened to the payment first, at whatever moment the mail looks', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = NAMES[round % NAMES.length] ?? 'paid';
      let claiming: Promise<MailClaimed> | undefined;
      await change({
        orderId: about.orderId,
        changes: RIVALS[rival],
        async beforeCommit() {
          claiming = claim(about);
          // The other side holds the order and has not committed: the mail has to wait for how it ends.
          await untilSomebodyWaits();
        },
      });
      const claimed = await (claiming ?? assert.fail('it was not claimed'));
      assert.equal(claimed.outcome, 'stale', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is taken back when something happens second, even while the mail has not committed', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = NAMES[round % NAMES.length] ?? 'paid';
      let claiming: Promise<MailClaimed> | undefined;
      let happening: Promise<void> | undefined;
      if (round % 2 === 0) {
        await holdingOperations(async () => {
          claiming = claim(about);
          await untilSomebodyWaits();
          // The mail holds the order; whoever changes it now is behind it.
          happening = change({ orderId: about.orderId, changes: RIVALS[rival] });
        });
      } else {
        claiming = claim(about);
        await claiming;
        happening = change({ orderId: about.orderId, changes: RIVALS[rival] });
      }
      const [claimed] = await Promise.all([claiming, happening]);
      assert.ok(claimed !== undefined);
      assert.equal(claimed.outcome, 'created', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is sent when nothing happens: what these rounds look at is not just never there', async () => {
    for (const about of await newCases(10)) assert.equal(await wouldBeSent(await claim(about)), true);
  });
});
