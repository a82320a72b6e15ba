// Reminders against whoever makes them pointless at the same moment: in PostgreSQL itself, with the order of events forced by locks.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import { planCart } from '../../src/activities/checkout/cart-plan.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { CartRef } from '../../src/contracts/pure/carts.ts';
import type { MailClaimed } from '../../src/store/checkout/cart-times.ts';
import { withTenant } from '../../src/store/database.ts';
import { ACTOR, DUE, HOUR_MS, type OpenMail, RULES, TENANT, TOUCHED, useClaims } from './claims.ts';

const ROUNDS = 1_000;

type Rival = 'ordered' | 'unsubscribed' | 'withdrawn';
const RIVALS: readonly Rival[] = ['ordered', 'unsubscribed', 'withdrawn'];

const world = useClaims();
const { wouldBeSent, untilSomebodyWaits, holdingOperations, holdingAudit } = world;

interface Case {
  readonly ref: CartRef;
  readonly address: string;
}

/** Carts whose first reminder is due at `DUE`, all at once: what is looked at here begins later. */
async function newCases(count: number): Promise<Case[]> {
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  await withTenant(world.databases().app, TENANT, async (tx) => {
    await sql`insert into cart (id, tenant_id, status, currency, owner_subject, email, reminders_agreed_at, reminders_wording, keeper, is_kept,
        wakes_at, touched_at, created_at, updated_at)
      select id, ${TENANT}, 'open', 'EUR', 'cart:' || id, id || '@example.com', ${TOUCHED}, '2026-11', 1, true,
        ${TOUCHED}, ${TOUCHED}, ${TOUCHED}, ${TOUCHED} from unnest(${ids}::uuid[]) id`.execute(tx);
    await sql`insert into cart_line (tenant_id, cart_id, sku, quantity, created_at)
      select ${TENANT}, id, 'gear', 1, ${TOUCHED} from unnest(${ids}::uuid[]) id`.execute(tx);
  });
  return ids.map((cartId) => ({ ref: { tenantId: TENANT, kind: 'cart', cartId, keeper: 1 }, address: `${cartId}@example.com` }));
}

async function newCase(): Promise<Case> {
  const [made] = await newCases(1);
  assert.ok(made !== undefined);
  return made;
}

async function open(claimed: MailClaimed): Promise<OpenMail> {
  const opened = await world.open(claimed);
  assert.ok(opened !== undefined);
  return opened;
}

function claim({ ref, address }: Case): Promise<MailClaimed> {
  return world.store().checkout.cartTimes.claimMail({
    ...{ ref, step: 'reminder_1', passedOver: [], now: DUE, plan: (times) => planCart(times, RULES, DUE) },
    ...{ mail: { to: [address], subject: 'Your cart', text: 'It waits.', category: 'bulk' }, address, isBulk: true, expiresAt: undefined },
  });
}

/** What makes the reminder pointless, as its request does it. */
async function happen(rival: Rival, { ref, address }: Case): Promise<void> {
  const at = { tenantId: TENANT, actor: ACTOR, now: DUE };
  const { cartId } = ref;
  const { store } = world;
  if (rival === 'unsubscribed') {
    await store().email.suppress({ ...at, address, scope: 'bulk', reason: 'unsubscribed' });
    return;
  }
  if (rival === 'withdrawn') {
    await store().carts.putContact({ ...at, cartId, contact: { email: address, consent: { reminders: false } } });
    return;
  }
  const quote = await store().products.catalogue.quote({
    ...{ tenantId: TENANT, cartId, currency: 'EUR', items: [{ sku: 'gear', quantity: 1 }], now: DUE },
  });
  const input = { cartId, quoteHash: quote.quoteHash, paymentMethod: 'pm_card_visa' };
  const payUntil = new Date(DUE.getTime() + HOUR_MS);
  const order = { ...at, kind: KINDS.order, start: {}, input, quote, cartVersion: 1, payUntil };
  const { outcome } = await store().checkout.acceptOrder(order);
  assert.equal(outcome, 'created');
}

describe(`a reminder that is due, over ${ROUNDS} rounds`, () => {
  test('is not sent when the other side came first and has not committed as the reminder looks', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = RIVALS[round % RIVALS.length] ?? 'ordered';
      let claiming: Promise<MailClaimed> | undefined;
      let happening: Promise<void> | undefined;
      await holdingAudit(async () => {
        happening = happen(rival, about);
        await untilSomebodyWaits();
        // What it writes is written, and nobody sees it. The reminder waits behind whoever has its cart; of an unsubscription it can't know.
        claiming = claim(about);
        await untilSomebodyWaits(2);
      });
      const [claimed] = await Promise.all([claiming, happening]);
      assert.ok(claimed !== undefined);
      assert.equal(claimed.outcome, rival === 'unsubscribed' ? 'created' : 'stale', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is taken back when the other side comes second, even while the reminder has not committed', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = RIVALS[round % RIVALS.length] ?? 'ordered';
      let claiming: Promise<MailClaimed> | undefined;
      let happening: Promise<void> | undefined;
      await holdingOperations(async () => {
        claiming = claim(about);
        await untilSomebodyWaits();
        // The reminder has looked, and holds the cart; whoever comes now is behind it.
        happening = happen(rival, about);
        await untilSomebodyWaits(2);
      });
      const [claimed] = await Promise.all([claiming, happening]);
      assert.ok(claimed !== undefined);
      assert.equal(claimed.outcome, 'created', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is not even taken on when the other side has committed', async () => {
    for (const rival of RIVALS) {
      const about = await newCase();
      await happen(rival, about);
      assert.equal((await claim(about)).outcome, rival === 'unsubscribed' ? 'suppressed' : 'stale', rival);
    }
  });

  test('is sent when nobody minds: what these rounds look at is not just never there', async () => {
    for (let round = 0; round < 10; round += 1) assert.equal(await wouldBeSent(await claim(await newCase())), true);
  });

  test('is refused at the last moment, when its workflow has it in hand already', async () => {
    for (const rival of RIVALS) {
      const about = await newCase();
      const begin = await (await open(await claim(about))).claim();
      await happen(rival, about);
      assert.equal(await begin(), false, rival);
    }
  });

  test('waits before its first byte for an unsubscription that has not committed, and is refused', async () => {
    const about = await newCase();
    const opened = await open(await claim(about));
    let beginning: Promise<boolean> | undefined;
    let happening: Promise<void> | undefined;
    await holdingAudit(async () => {
      happening = happen('unsubscribed', about);
      await untilSomebodyWaits();
      beginning = opened.beginFirst();
      await untilSomebodyWaits(2);
    });
    assert.deepEqual(await Promise.all([beginning, happening]), [false, undefined]);
  });

  test('is refused as well when its workflow has it in hand, and has claimed nothing yet', async () => {
    for (const rival of RIVALS) {
      const about = await newCase();
      const opened = await open(await claim(about));
      await happen(rival, about);
      assert.equal(await opened.beginFirst(), false, rival);
      assert.equal(await (await opened.claim())(), false, rival);
    }
  });

  test('is taken on once, however often it is claimed at once', async () => {
    const about = await newCase();
    const claims = await Promise.all(Array.from({ length: 8 }, () => claim(about)));
    assert.equal(claims.filter(({ outcome }) => outcome === 'created').length, 1);
    assert.ok(claims.every(({ outcome }) => outcome === 'created' || outcome === 'stale'));
  });
});
