import type { Cart } from '../../contracts/checkout/carts.ts';
import type { QuoteFault } from '../../contracts/checkout/quotes.ts';
import type { StoredCart } from '../../store/checkout/cart-steps.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { TenantCaller } from '../lib/route.ts';

interface Asked {
  readonly auth: TenantCaller;
  readonly now: Date;
}

/** Whether a cart of the caller's tenant is there for this caller: for a token only its subject's, and among its resources. */
export function seesCart({ kind, subject, resources }: TenantCaller, { cart }: StoredCart): boolean {
  if (kind !== 'token') return true;
  return subject !== undefined && cart.owner_subject === subject && (resources === undefined || resources.includes(`cart/${cart.id}`));
}

/** A cart with what it costs right now. */
export async function presentCart(ctx: ApiContext, { cart, items }: StoredCart, { auth, now }: Asked): Promise<Cart> {
  const quote = await ctx.catalogue.quote({ tenantId: auth.tenantId, cartId: cart.id, currency: cart.currency, items, now });
  return {
    id: cart.id,
    object: 'cart',
    createdAt: cart.created_at.toISOString(),
    updatedAt: cart.updated_at.toISOString(),
    status: cart.status,
    version: cart.version,
    attempt: cart.attempt,
    currency: cart.currency,
    items: items.map(({ sku, quantity }) => ({ sku, quantity })),
    // Who got the cart by a link learns nothing of who filled it.
    ...contactOf(cart, auth.kind === 'token' && auth.resources !== undefined),
    quote,
    ...(cart.order_id === null ? {} : { orderId: cart.order_id }),
    ...(cart.owner_subject === null ? {} : { ownerSubject: cart.owner_subject }),
  };
}

/** @throws {HttpProblem} when one of the articles can not be in a cart of this currency at all; that it is sold out is no reason */
export function refuseUnsellable(faults: readonly QuoteFault[], pointerOf: (sku: string) => string): void {
  for (const { sku = '', code } of faults) {
    const pointer = pointerOf(sku);
    if (code === 'not_for_sale') {
      const errors = [{ pointer, message: 'is not for sale' }];
      throw new HttpProblem('product_unavailable', `Nothing is for sale under the name ${sku}.`, { errors });
    }
    if (code === 'no_price') {
      const errors = [{ pointer, message: 'has no price in the currency of the cart' }];
      throw new HttpProblem('price_missing', `${sku} has no price in the currency of the cart.`, { errors });
    }
  }
}

function contactOf(cart: StoredCart['cart'], isHidden: boolean): Pick<Cart, 'contact'> {
  if (cart.email === null) return {};
  const consent = {
    reminders: cart.reminders_agreed_at !== null,
    ...(cart.reminders_wording === null ? {} : { wording: cart.reminders_wording }),
    ...(cart.reminders_agreed_at === null ? {} : { agreedAt: cart.reminders_agreed_at.toISOString() }),
  };
  const contact = {
    email: isHidden ? masked(cart.email) : cart.email,
    ...(cart.name === null || isHidden ? {} : { name: cart.name }),
    ...(cart.locale === null ? {} : { locale: cart.locale }),
    ...(cart.time_zone === null || isHidden ? {} : { timeZone: cart.time_zone }),
    consent,
  };
  return { contact };
}

function masked(address: string): string {
  return `${address.slice(0, 1)}•••${address.slice(address.lastIndexOf('@'))}`;
}
