import { type Kysely, sql } from 'kysely';
import type { CartLook, CartRef, CartStep } from '../../contracts/pure/carts.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Accepted, OperationsStore } from '../operations.ts';
import { refusalOf, RefusedError } from '../refused.ts';
import type { Database } from '../schema.ts';
import { type CartRow, readCart, type StoredCart } from './cart-steps.ts';
import type { OrderRow } from './merge.ts';

/** All that the time of a cart depends on, as one transaction sees it. */
export interface CartTimes extends StoredCart {
  /** The latest order made from it. */
  readonly order: OrderRow | undefined;
  /** Mails that it has led to, or that were passed over, and when. */
  readonly mailed: ReadonlyMap<string, Date>;
  /** When the first of its holds ends that has not ended. */
  readonly heldUntil: Date | undefined;
  /** When the same person was last reminded of another cart. */
  readonly remindedOfOtherAt: Date | undefined;
}

export type PlanCart = (times: CartTimes) => CartLook;

interface Parts {
  readonly db: Kysely<Database>;
  readonly operations: OperationsStore;
}

export interface LookRequest {
  readonly ref: CartRef;
  readonly now: Date;
  /** Says what is due and when to look again. Called within the transaction that holds the cart. */
  readonly plan: PlanCart;
}

export interface ClaimRequest extends LookRequest {
  readonly step: CartStep;
  /** Earlier steps of the ladder that this one makes pointless. */
  readonly passedOver: readonly CartStep[];
  /** What the mail is made of, as the e-mail feature keeps it. */
  readonly mail: object;
  readonly address: string;
  readonly isBulk: boolean;
  readonly expiresAt: Date | undefined;
}

/** The version that a mail was made of, and what came of claiming it. `stale`: it is not due any more; look again. */
export type MailClaimed = Accepted | { readonly outcome: 'stale' | 'suppressed' };

/** What happens to a cart by itself when time passes. */
export function createCartTimesStore({ db, operations }: Parts) {
  /** One turn of its keeper: clears what has expired, notes until when the keeper sleeps, and ends a cart whose time has come. */
  function look({ ref, now, plan }: LookRequest): Promise<CartLook> {
    return withTenant(db, ref.tenantId, async (tx) => {
      const times = await lockTimes(tx, ref, now);
      if (times === undefined) return { isDone: true, why: 'replaced' };
      await tx.deleteFrom('stock_hold').where('cart_id', '=', ref.cartId).where('expires_at', '<=', now).execute();
      const found = plan(times);
      const changes = found.isDone ? { is_kept: false, wakes_at: null } : { wakes_at: new Date(found.nextAtMs) };
      const expired = found.isDone && found.why === 'expired' ? { status: 'expired' as const, updated_at: now } : {};
      await tx
        .updateTable('cart')
        .set({ ...changes, ...expired })
        .where('id', '=', ref.cartId)
        .execute();
      return found;
    });
  }

  /** What the keeper's next mail would be made of. */
  function read({ tenantId, cartId }: CartRef, now: Date): Promise<CartTimes | undefined> {
    return withTenant(db, tenantId, (tx) => timesOf(tx, { cartId, now }));
  }

  /**
   * Takes on a mail if it is still due: the order and the cart are held while agreement, suppression, payment and the step itself are
   * looked at once more, so that whoever changes one of them comes either before, and there is no mail, or after, and takes it back.
   */
  async function claimMail(request: ClaimRequest): Promise<MailClaimed> {
    const { ref, now, plan, step, passedOver, mail, expiresAt } = request;
    let orderId: string | null = null;
    try {
      return await operations.accept({
        tenantId: ref.tenantId,
        kind: KINDS.email,
        input: mail,
        naturalKey: `cart:${ref.cartId}:${step}`,
        start: { tags: ['cart'], metadata: { cartId: ref.cartId, step }, expiresAt },
        actor: { actor: 'workflow' },
        now,
        joined: {
          async before(tx) {
            const times = await lockTimes(tx, ref, now);
            const found = times === undefined ? undefined : plan(times);
            if (times === undefined || found?.isDone !== false || found.due !== step)
              throw new RefusedError<MailClaimed>({ outcome: 'stale' });
            orderId = times.cart.order_id;
            if (!(await isSuppressed(tx, request))) return { attempt: 1 };
            throw new RefusedError<MailClaimed>({ outcome: 'suppressed' });
          },
          async after(tx, operation) {
            for (const passed of passedOver) await insertMail(tx, { ref, step: passed, orderId, operationId: null, now });
            await insertMail(tx, { ref, step, orderId, operationId: operation.id, now });
          },
        },
      });
    } catch (error) {
      return refusalOf<MailClaimed>(error);
    }
  }

  /** Leaves a mail out for good. */
  function passOver(ref: CartRef, steps: readonly CartStep[], now: Date): Promise<void> {
    return withTenant(db, ref.tenantId, async (tx) => {
      for (const step of steps) await insertMail(tx, { ref, step, orderId: null, operationId: null, now });
    });
  }

  return { look, read, claimMail, passOver };
}

/** Order first, cart second: as those who end an order lock them. Undefined: another keeper has taken over, or the cart is gone. */
async function lockTimes(tx: Tx, { cartId, keeper }: CartRef, now: Date): Promise<CartTimes | undefined> {
  for (;;) {
    const seen = await tx.selectFrom('cart').select('order_id').where('id', '=', cartId).executeTakeFirst();
    if (seen === undefined) return undefined;
    if (seen.order_id !== null) await tx.selectFrom('checkout_order').select('id').where('id', '=', seen.order_id).forShare().execute();
    const cart = await tx.selectFrom('cart').select(['order_id', 'keeper']).where('id', '=', cartId).forUpdate().executeTakeFirstOrThrow();
    if (cart.keeper !== keeper) return undefined;
    if (cart.order_id === seen.order_id) return timesOf(tx, { cartId, now });
  }
}

async function timesOf(tx: Tx, { cartId, now }: { readonly cartId: string; readonly now: Date }): Promise<CartTimes | undefined> {
  const stored = await readCart(tx, cartId);
  if (stored === undefined) return undefined;
  const { order_id: orderId } = stored.cart;
  const order =
    orderId === null ? undefined : await tx.selectFrom('checkout_order').selectAll().where('id', '=', orderId).executeTakeFirst();
  const mails = await tx.selectFrom('cart_mail').select(['step', 'claimed_at']).where('cart_id', '=', cartId).execute();
  const hold = await tx
    .selectFrom('stock_hold')
    .select((e) => e.fn.min('expires_at').as('until'))
    .where('cart_id', '=', cartId)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return {
    ...stored,
    order,
    mailed: new Map(mails.map((mail) => [mail.step, mail.claimed_at])),
    heldUntil: hold?.until ?? undefined,
    remindedOfOtherAt: await remindedOfOther(tx, stored.cart),
  };
}

async function remindedOfOther(tx: Tx, cart: CartRow): Promise<Date | undefined> {
  if (cart.email === null) return undefined;
  const row = await tx
    .selectFrom('cart_mail')
    .innerJoin('cart', 'cart.id', 'cart_mail.cart_id')
    .select((e) => e.fn.max('cart_mail.claimed_at').as('at'))
    .where('cart.tenant_id', '=', cart.tenant_id)
    .where(sql<boolean>`lower(cart.email) = ${cart.email.toLowerCase()}`)
    .where('cart.id', '<>', cart.id)
    .where('cart_mail.operation_id', 'is not', null)
    .where('cart_mail.step', 'like', 'reminder%')
    .executeTakeFirst();
  return row?.at ?? undefined;
}

async function isSuppressed(tx: Tx, { ref, address, isBulk, now }: ClaimRequest): Promise<boolean> {
  const reaches = JSON.stringify({ address: address.toLowerCase(), bulk: isBulk });
  const { rows } = await sql<{ found: boolean }>`select is_suppressed(${ref.tenantId}, ${reaches}::jsonb, ${now}) as found`.execute(tx);
  return rows[0]?.found === true;
}

interface NewMail {
  readonly ref: CartRef;
  readonly step: CartStep;
  readonly orderId: string | null;
  readonly operationId: string | null;
  readonly now: Date;
}

async function insertMail(tx: Tx, { ref, step, orderId, operationId, now }: NewMail): Promise<void> {
  await tx
    .insertInto('cart_mail')
    .values({ tenant_id: ref.tenantId, cart_id: ref.cartId, step, order_id: orderId, operation_id: operationId, claimed_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
