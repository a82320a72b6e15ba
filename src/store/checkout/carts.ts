import type { Kysely, Selectable } from 'kysely';
import { uuidv7 } from 'uuidv7';
import { type CartContact, MAX_LINES } from '../../contracts/checkout/carts.ts';
import type { Actor, AuditStore } from '../audit.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Idempotency } from '../operations.ts';
import type { Database } from '../schema.ts';
import type { CartWorkflowIdParts } from '../../contracts/pure/ids.ts';
import { ensureKept, replaceKeeper, wakeKeeper } from './cart-keeper.ts';
import { withdrawMails } from './cart-mails.ts';
import { type CartRow, lockCart, readCart, type StoredCart } from './cart-steps.ts';
import { claimIdempotency } from '../idempotency.ts';

export interface CartItem {
  readonly sku: string;
  readonly quantity: number;
}

/** `closed`: it has become an order, or has expired. `full`: it has as many lines as a cart may have. */
export type Changed = (StoredCart & { readonly outcome: 'changed' | 'same' }) | { readonly outcome: 'closed' | 'full' | 'missing' };

export type Created = (StoredCart & { readonly outcome: 'created' | 'replayed' }) | { readonly outcome: 'mismatch' };

interface CartRequest {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly now: Date;
}

interface CreateCartRequest extends CartRequest {
  readonly currency: string;
  readonly items: readonly CartItem[];
  /** Without one the cart is nobody's but its own: a token for it can be made all the same. */
  readonly ownerSubject: string | undefined;
  readonly idempotency: Idempotency | undefined;
}

interface ChangeCartRequest extends CartRequest {
  readonly cartId: string;
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
  /** Dispatch rows were committed. */
  readonly wake: () => void;
}

/** What buyers have gathered. Every change is one transaction with its audit row, and the start of the workflow that keeps the time. */
export function createCartsStore(parts: Parts) {
  const { db } = parts;

  async function get(tenantId: string, cartId: string): Promise<StoredCart | undefined> {
    return withTenant(db, tenantId, (tx) => readCart(tx, cartId));
  }

  /** Sets how many of an article the cart has; 0 takes it out. */
  function putItem(request: ChangeCartRequest & CartItem): Promise<Changed> {
    const { cartId, sku, quantity, now } = request;
    return change(parts, { ...request, action: 'cart.changed', after: { sku, quantity } }, async (tx, { cart, items }) => {
      const present = items.find((item) => item.sku === sku);
      if ((present?.quantity ?? 0) === quantity) return 'same';
      if (present === undefined && items.length >= MAX_LINES) return 'full';
      if (quantity === 0) {
        await tx.deleteFrom('cart_line').where('cart_id', '=', cartId).where('sku', '=', sku).execute();
        return 'changed';
      }
      await tx
        .insertInto('cart_line')
        .values({ tenant_id: request.tenantId, cart_id: cartId, sku, quantity, created_at: now })
        .onConflict((conflict) => conflict.columns(['cart_id', 'sku']).doUpdateSet({ quantity }))
        .execute();
      await ensureKept(tx, cart, now);
      return 'changed';
    });
  }

  /** Says who buys. What was agreed to earlier stays unless this says otherwise. */
  function putContact(request: ChangeCartRequest & { readonly contact: CartContact }): Promise<Changed> {
    const { cartId, contact, now } = request;
    return change(parts, { ...request, action: 'cart.contact_changed', after: contact }, async (tx, { cart, items }) => {
      const consent = consentOf(cart, contact, now);
      await tx
        .updateTable('cart')
        .set({
          email: contact.email,
          name: contact.name ?? null,
          locale: contact.locale ?? null,
          time_zone: contact.timeZone ?? null,
          ...consent,
        })
        .where('id', '=', cartId)
        .execute();
      if (consent.reminders_agreed_at === null) await withdrawMails(tx, { tenantId: request.tenantId, cartId, now });
      // A reminder may be due now earlier than the end of the cart.
      if (items.length > 0) await wakeKeeper(tx, cart, now);
      return 'changed';
    });
  }

  return {
    create: (request: CreateCartRequest) => create(parts, request),
    get,
    putItem,
    putContact,
    recover: (request: ChangeCartRequest) => recover(parts, request),
    keepAgain: (keeper: CartWorkflowIdParts, now: Date) => keepAgain(parts, keeper, now),
  };
}

/** Goes on with the time of a cart whose workflow was ended from outside. False: it has another one, or needs none. */
async function keepAgain({ db, wake }: Parts, keeper: CartWorkflowIdParts, now: Date): Promise<boolean> {
  const isReplaced = await withTenant(db, keeper.tenantId, (tx) => replaceKeeper(tx, keeper, now));
  if (isReplaced) wake();
  return isReplaced;
}

/** Somebody has come back to a cart by its link: an open one counts as touched. */
function recover(parts: Parts, request: ChangeCartRequest): Promise<StoredCart | undefined> {
  const { tenantId, cartId, now } = request;
  return withTenant(parts.db, tenantId, async (tx) => {
    const stored = await lockCart(tx, cartId);
    if (stored === undefined || stored.cart.status === 'expired') return undefined;
    const touched = stored.cart.status === 'open' ? { touched_at: now } : {};
    await tx
      .updateTable('cart')
      .set({ recovered_at: now, ...touched })
      .where('id', '=', cartId)
      .execute();
    await record(parts, tx, { ...request, cart: stored.cart, action: 'cart.recovered', after: {} });
    return stored;
  });
}

async function create(parts: Parts, request: CreateCartRequest): Promise<Created> {
  const { tenantId, currency, items, ownerSubject, now } = request;
  const created = await withTenant(parts.db, tenantId, async (tx): Promise<Created> => {
    const id = uuidv7();
    const used = await claimIdempotency(tx, { ...request, object: { type: 'cart', id } });
    if (used !== undefined) {
      const first = used.outcome === 'replayed' ? await readCart(tx, used.objectId) : undefined;
      return first === undefined ? { outcome: 'mismatch' } : { ...first, outcome: 'replayed' };
    }
    const cart = await tx
      .insertInto('cart')
      .values({ id, tenant_id: tenantId, status: 'open', currency, owner_subject: ownerSubject ?? `cart:${id}`, ...atBirth(now) })
      .returningAll()
      .executeTakeFirstOrThrow();
    if (items.length > 0) {
      const lines = items.map(({ sku, quantity }) => ({ tenant_id: tenantId, cart_id: id, sku, quantity, created_at: now }));
      await tx.insertInto('cart_line').values(lines).execute();
      await ensureKept(tx, cart, now);
    }
    await record(parts, tx, { ...request, cart, action: 'cart.created', after: { currency, items } });
    return { outcome: 'created', cart, items: items.toSorted((a, b) => (a.sku < b.sku ? -1 : 1)) };
  });
  if (created.outcome === 'created' && items.length > 0) parts.wake();
  return created;
}

function atBirth(now: Date) {
  const nobody = {
    order_id: null,
    email: null,
    name: null,
    locale: null,
    time_zone: null,
    reminders_agreed_at: null,
    reminders_wording: null,
  };
  return { ...nobody, wakes_at: null, recovered_at: null, touched_at: now, created_at: now, updated_at: now };
}

interface Change extends ChangeCartRequest {
  readonly action: string;
  readonly after: object;
}

/** One change of an open cart: its version grows, and the time of its reminders begins anew. */
async function change(
  parts: Parts,
  request: Change,
  work: (tx: Tx, stored: StoredCart) => Promise<'changed' | 'same' | 'full'>,
): Promise<Changed> {
  const { tenantId, cartId, now } = request;
  const changed = await withTenant(parts.db, tenantId, async (tx): Promise<Changed> => {
    const stored = await lockCart(tx, cartId);
    if (stored === undefined) return { outcome: 'missing' };
    if (stored.cart.status !== 'open') return { outcome: 'closed' };
    const outcome = await work(tx, stored);
    if (outcome === 'full') return { outcome };
    if (outcome === 'same') return { ...stored, outcome };
    await tx
      .updateTable('cart')
      .set((e) => ({ version: e('version', '+', 1), touched_at: now, updated_at: now }))
      .where('id', '=', cartId)
      .execute();
    await record(parts, tx, { ...request, cart: stored.cart });
    const after = await readCart(tx, cartId);
    return after === undefined ? { outcome: 'missing' } : { ...after, outcome };
  });
  if (changed.outcome === 'changed') parts.wake();
  return changed;
}

async function record(
  { audit }: Parts,
  tx: Tx,
  request: CartRequest & Pick<Change, 'action' | 'after'> & { readonly cart: CartRow },
): Promise<void> {
  const { tenantId, actor, now, action, after, cart } = request;
  const subject = cart.owner_subject === null ? {} : { subject: cart.owner_subject };
  await audit.record(tx, { ...actor, tenantId, at: now, action, target: `cart/${cart.id}`, after, ...subject });
}

/** Agreement is a person's and an address's: another address has not agreed to anything. */
function consentOf(cart: Selectable<Database['cart']>, { email, consent }: CartContact, now: Date) {
  const none = { reminders_agreed_at: null, reminders_wording: null };
  if (consent?.reminders === true) return { reminders_agreed_at: now, reminders_wording: consent.wording ?? null };
  return consent === undefined && email.toLowerCase() === cart.email?.toLowerCase() ? agreedBefore(cart) : none;
}

function agreedBefore({ reminders_agreed_at, reminders_wording }: CartRow) {
  return { reminders_agreed_at, reminders_wording };
}
