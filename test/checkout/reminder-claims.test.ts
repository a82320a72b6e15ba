// Reminders against whoever makes them pointless at the same moment: in PostgreSQL itself, with the order of events forced by locks.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { planCart } from '../../src/activities/checkout/cart-plan.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { type EmailContent, emailEffects } from '../../src/contracts/email.ts';
import type { CartRef } from '../../src/contracts/pure/carts.ts';
import { closeCart } from '../../src/store/checkout/cart-steps.ts';
import type { MailClaimed } from '../../src/store/checkout/cart-times.ts';
import { type Databases, openDatabases, withTenant } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { useDatabase } from '../support/ground.ts';

const ROUNDS = 1_000;
const TENANT = 'shop';
const ACTOR = { actor: 'key:test' };
const HOUR_MS = 3_600_000;
const TOUCHED = new Date('2026-11-25T12:00:00Z');
const DUE = new Date(TOUCHED.getTime() + HOUR_MS);
const RULES = { reminderDelaysMs: [HOUR_MS], shopTimeZone: 'UTC', expiresAfterMs: 720 * HOUR_MS };
const BUDGET_MS = 1_000;

type Rival = 'ordered' | 'unsubscribed' | 'withdrawn';
const RIVALS: readonly Rival[] = ['ordered', 'unsubscribed', 'withdrawn'];

let databases: Databases;
let store: Store;

before(async () => {
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 8 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: TENANT, name: 'A shop', actor: ACTOR, now: TOUCHED });
  const gear = { name: 'Gear', prices: [{ amount: 100, currency: 'EUR' }], taxPercent: 0, stock: 1_000_000, isActive: true };
  await store.products.put({ tenantId: TENANT, sku: 'gear', content: gear, actor: ACTOR, now: TOUCHED });
});
after(() => databases[Symbol.asyncDispose]());

interface Case {
  readonly ref: CartRef;
  readonly address: string;
}

/** Carts whose first reminder is due at `DUE`, all at once: what is looked at here begins later. */
async function newCases(count: number): Promise<Case[]> {
  const ids = Array.from({ length: count }, () => crypto.randomUUID());
  await withTenant(databases.app, TENANT, async (tx) => {
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

function claim({ ref, address }: Case): Promise<MailClaimed> {
  return store.checkout.cartTimes.claimMail({
    ...{ ref, step: 'reminder_1', passedOver: [], now: DUE, plan: (times) => planCart(times, RULES, DUE) },
    ...{ mail: { to: [address], subject: 'Your cart', text: 'It waits.', category: 'bulk' }, address, isBulk: true, expiresAt: undefined },
  });
}

/** What makes the reminder pointless. `beforeCommit` is awaited within the transaction where there is one of ours. */
async function happen(rival: Rival, { ref, address }: Case, beforeCommit: () => Promise<void> = async () => undefined): Promise<void> {
  const at = { tenantId: TENANT, actor: ACTOR, now: DUE };
  if (rival === 'unsubscribed') {
    await store.email.suppress({ ...at, address, scope: 'bulk', reason: 'unsubscribed' });
    return beforeCommit();
  }
  if (rival === 'withdrawn') {
    const contact = { email: address, consent: { reminders: false } };
    await store.carts.putContact({ ...at, cartId: ref.cartId, contact });
    return beforeCommit();
  }
  await withTenant(databases.app, TENANT, async (tx) => {
    await closeCart(tx, { cartId: ref.cartId, orderId: crypto.randomUUID(), now: DUE });
    await beforeCommit();
  });
}

/** Whether anything of a mail that was taken on would still be sent: the steps of its workflow up to the first byte. */
async function wouldBeSent(claimed: MailClaimed): Promise<boolean> {
  if (claimed.outcome !== 'created') return false;
  const { id: operationId, root_id: rootId, input } = claimed.operation;
  const run = { tenantId: TENANT, operationId, rootId, kind: 'email', attempt: 1, runId: `run-${operationId}`, nowMs: DUE.getTime() };
  const opened = await store.lifecycle.open(run);
  if (!opened.opened) return false;
  // As `claim` above made it.
  const effects = emailEffects(input as EmailContent, rootId);
  const rows = await store.effects.claim({ ...run, effects });
  const begun = await Promise.all(rows.map((row, index) => begin(row, effects[index]?.reaches)));
  return begun.some(Boolean);
}

type Effect = Awaited<ReturnType<Store['effects']['claim']>>[number];

async function begin(row: Effect, reaches: ReturnType<typeof emailEffects>[number]['reaches'] | undefined): Promise<boolean> {
  assert.ok(reaches !== undefined);
  if (row.state !== 'claimed') return false;
  return store.effects.begin({ tenantId: TENANT, key: row.key, fence: row.fence }, BUDGET_MS, { reaches, nowMs: DUE.getTime() });
}

/** Waits until somebody in this database waits for a lock. */
async function untilSomebodyWaits(): Promise<void> {
  for (;;) {
    const { rows } = await sql<{ waiting: boolean }>`
      select exists (
        select from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()
      ) as waiting`.execute(databases.app);
    if (rows[0]?.waiting === true) return;
  }
}

/** Holds every transaction up that writes an operation, from when it does, until `work` is through. */
function holdingOperations(work: () => Promise<void>): Promise<void> {
  return databases.system.transaction().execute(async (tx) => {
    await sql`select from tenant where id = ${TENANT} for update`.execute(tx);
    await work();
  });
}

describe(`a reminder that is due, over ${ROUNDS} rounds`, () => {
  test('is not sent when the other side came first, at whatever moment the reminder looks', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = RIVALS[round % RIVALS.length] ?? 'ordered';
      let claiming: Promise<MailClaimed> | undefined;
      await happen(rival, about, async () => {
        claiming = claim(about);
        // The purchase holds the cart and has not committed: the reminder has to wait for how it ends.
        if (rival === 'ordered') await untilSomebodyWaits();
      });
      assert.ok(claiming !== undefined);
      const claimed = await claiming;
      assert.equal(claimed.outcome, rival === 'unsubscribed' ? 'suppressed' : 'stale', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is taken back when the other side comes second, even while the reminder has not committed', async () => {
    for (const [round, about] of (await newCases(ROUNDS / 2)).entries()) {
      const rival = RIVALS[round % RIVALS.length] ?? 'ordered';
      let claiming: Promise<MailClaimed> | undefined;
      let happening: Promise<void> | undefined;
      if (round % 2 === 0 && rival !== 'unsubscribed') {
        await holdingOperations(async () => {
          claiming = claim(about);
          await untilSomebodyWaits();
          // The reminder holds the cart; whoever comes now is behind it.
          happening = happen(rival, about);
        });
      } else {
        claiming = claim(about);
        await claiming;
        happening = happen(rival, about);
      }
      const [claimed] = await Promise.all([claiming, happening]);
      assert.ok(claimed !== undefined);
      assert.equal(claimed.outcome, 'created', `round ${round}, ${rival}`);
      assert.equal(await wouldBeSent(claimed), false, `round ${round}, ${rival}`);
    }
  });

  test('is sent when nobody minds: what these rounds look at is not just never there', async () => {
    for (let round = 0; round < 10; round += 1) assert.equal(await wouldBeSent(await claim(await newCase())), true);
  });

  test('is refused at the last moment, when its workflow has it in hand already', async () => {
    for (const rival of RIVALS) {
      const about = await newCase();
      const claimed = await claim(about);
      assert.ok(claimed.outcome === 'created');
      const { id: operationId, root_id: rootId, input } = claimed.operation;
      const run = { tenantId: TENANT, operationId, rootId, kind: 'email', attempt: 1, runId: 'run', nowMs: DUE.getTime() };
      await store.lifecycle.open(run);
      const [effect] = emailEffects(input as EmailContent, rootId); // as `claim` above made it
      assert.ok(effect !== undefined);
      const [row] = await store.effects.claim({ ...run, effects: [effect] });
      assert.ok(row !== undefined);
      await happen(rival, about);
      assert.equal(await begin(row, effect.reaches), false, rival);
    }
  });

  test('is taken on once, however often it is claimed at once', async () => {
    const about = await newCase();
    const claims = await Promise.all(Array.from({ length: 8 }, () => claim(about)));
    assert.equal(claims.filter(({ outcome }) => outcome === 'created').length, 1);
    assert.ok(claims.every(({ outcome }) => outcome === 'created' || outcome === 'stale'));
  });
});
