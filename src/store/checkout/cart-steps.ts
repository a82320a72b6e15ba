import type { Selectable } from 'kysely';
import type { Database } from '../schema.ts';
import type { Tx } from '../database.ts';
import { wakeKeeper } from './cart-keeper.ts';
import { withdrawMails } from './cart-mails.ts';

export type CartRow = Selectable<Database['cart']>;

export interface StoredCart {
  readonly cart: CartRow;
  /** By sku. */
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
}

/** A cart that nobody changes until this transaction ends. */
export async function lockCart(tx: Tx, cartId: string): Promise<StoredCart | undefined> {
  const locked = await tx.selectFrom('cart').select('id').where('id', '=', cartId).forUpdate().executeTakeFirst();
  return locked === undefined ? undefined : readCart(tx, cartId);
}

export async function readCart(tx: Tx, cartId: string): Promise<StoredCart | undefined> {
  const cart = await tx.selectFrom('cart').selectAll().where('id', '=', cartId).executeTakeFirst();
  if (cart === undefined) return undefined;
  const items = await tx.selectFrom('cart_line').select(['sku', 'quantity']).where('cart_id', '=', cartId).orderBy('sku').execute();
  return { cart, items };
}

/** The cart has become this order. */
export async function closeCart(tx: Tx, { cartId, orderId, now }: CartOrder): Promise<void> {
  const cart = await tx
    .updateTable('cart')
    .set({ status: 'ordered', order_id: orderId, touched_at: now, updated_at: now })
    .where('id', '=', cartId)
    .returningAll()
    .executeTakeFirstOrThrow();
  await withdrawMails(tx, { tenantId: cart.tenant_id, cartId, now });
  // Word on its payment may be due earlier than the next reminder was.
  await wakeKeeper(tx, cart, now);
}

/** The order has ended without a sale: the cart can be bought anew. Safe to repeat; does nothing once another order was made from it. */
export async function reopenCart(tx: Tx, { cartId, orderId, now }: CartOrder): Promise<void> {
  const cart = await tx
    .updateTable('cart')
    .set((e) => ({ status: 'open', attempt: e('attempt', '+', 1), version: e('version', '+', 1), updated_at: now }))
    .where('id', '=', cartId)
    .where('order_id', '=', orderId)
    .where('status', '=', 'ordered')
    .returningAll()
    .executeTakeFirst();
  if (cart !== undefined) await wakeKeeper(tx, cart, now);
}

interface CartOrder {
  readonly cartId: string;
  readonly orderId: string;
  readonly now: Date;
}
