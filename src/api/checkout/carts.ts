import { Cart, CartContact, CartItemContent, CartItemParams, NewCart } from '../../contracts/checkout/carts.ts';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { StoredCart } from '../../store/checkout/cart-steps.ts';
import type { Changed } from '../../store/checkout/carts.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type JsonReply, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { ownerOf } from '../lib/start.ts';
import { presentCart, refuseUnsellable, seesCart } from './present-cart.ts';

const TAG = 'Checkout';

export const EXAMPLE_CART: Cart = {
  id: '019ab6a0-7c00-7000-8000-000000000003',
  object: 'cart',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:01:00.000Z',
  status: 'open',
  version: 2,
  attempt: 1,
  currency: 'EUR',
  items: [{ sku: 'brass-gear', quantity: 2 }],
  quote: {
    currency: 'EUR',
    lines: [
      { sku: 'brass-gear', name: 'Brass gear, 24 teeth', quantity: 2, unitAmount: 1990, amount: 3980, taxAmount: 635, available: 118 },
    ],
    shippingAmount: 490,
    taxAmount: 713,
    totalAmount: 4470,
    faults: [],
    quoteHash: 'kX9sV2m0aQ7tB4cE1fG6hw',
  },
  ownerSubject: 'u_42',
};
const CART_RESPONSE = { 200: { description: 'The cart with its quote.', schema: Cart, example: EXAMPLE_CART } };

/** What buyers gather before they order. */
export function cartRoutes(ctx: ApiContext): Route[] {
  return [createRoute(ctx), getRoute(ctx), putItemRoute(ctx), removeItemRoute(ctx), putContactRoute(ctx)];
}

function createRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'post',
    path: '/v1/carts',
    operationId: 'createCart',
    summary: 'Make a cart',
    description: 'In one currency, which it keeps. Prices are those of the catalogue: what a buyer says of prices is refused.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    body: NewCart,
    bodyExample: { currency: 'EUR', items: [{ sku: 'brass-gear', quantity: 2 }] },
    responses: { 201: { description: 'Made.', schema: Cart, example: EXAMPLE_CART } },
    problems: ['product_unavailable', 'price_missing'],
    idempotent: true,
    async handler(request) {
      const { auth, body, now, idempotency } = request;
      const { currency, items = [] } = body;
      const ownerSubject = ownerOf(auth, body.ownerSubject);
      const { faults } = await ctx.catalogue.quote({ tenantId: auth.tenantId, currency, items, now });
      refuseUnsellable(faults, (sku) => `/items/${items.findIndex((item) => item.sku === sku)}/sku`);
      const made = await ctx.store.carts.create({
        ...{ tenantId: auth.tenantId, actor: auth.actor, currency, items, ownerSubject, idempotency, now },
      });
      if (made.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
      const headers = { Location: `/v1/carts/${made.cart.id}`, ...(made.outcome === 'replayed' ? { 'Idempotency-Replayed': 'true' } : {}) };
      return { status: 201, body: await presentCart(ctx, made, request), headers };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.read], {
    method: 'get',
    path: '/v1/carts/{id}',
    operationId: 'getCart',
    summary: 'Look at a cart',
    description: 'With what it costs right now. `quote.quoteHash` is what checkout wants back.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    responses: CART_RESPONSE,
    problems: ['not_found'],
    async handler(request) {
      return { status: 200, body: await presentCart(ctx, await findCart(ctx, request), request) };
    },
  });
}

function putItemRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'put',
    path: '/v1/carts/{id}/items/{sku}',
    operationId: 'putCartItem',
    summary: 'Put an article into a cart',
    description: 'Says how many of it the cart has, whatever it had before. Stock is put aside at checkout, not here.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: CartItemParams,
    body: CartItemContent,
    bodyExample: { quantity: 2 },
    responses: CART_RESPONSE,
    problems: ['not_found', 'cart_closed', 'cart_full', 'product_unavailable', 'price_missing'],
    async handler(request) {
      const { auth, params, body, now } = request;
      const { cart } = await findCart(ctx, request);
      const { sku } = params;
      const asked = { tenantId: auth.tenantId, cartId: cart.id, currency: cart.currency, items: [{ sku, quantity: body.quantity }], now };
      refuseUnsellable((await ctx.catalogue.quote(asked)).faults, () => 'path/sku');
      const change = { tenantId: auth.tenantId, actor: auth.actor, cartId: cart.id, sku, quantity: body.quantity, now };
      return answerChange(ctx, await ctx.store.carts.putItem(change), request);
    },
  });
}

function removeItemRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'delete',
    path: '/v1/carts/{id}/items/{sku}',
    operationId: 'removeCartItem',
    summary: 'Take an article out of a cart',
    description: 'May be repeated.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: CartItemParams,
    responses: CART_RESPONSE,
    problems: ['not_found', 'cart_closed'],
    async handler(request) {
      const { auth, params, now } = request;
      const { cart } = await findCart(ctx, request);
      const change = { tenantId: auth.tenantId, actor: auth.actor, cartId: cart.id, sku: params.sku, quantity: 0, now };
      return answerChange(ctx, await ctx.store.carts.putItem(change), request);
    },
  });
}

function putContactRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'put',
    path: '/v1/carts/{id}/contact',
    operationId: 'putCartContact',
    summary: 'Say who buys',
    description:
      'Replaces the contact; agreement to reminders stays until it is taken back or the address changes. Without it nobody is reminded.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    body: CartContact,
    bodyExample: {
      email: 'ada@example.com',
      name: 'Ada',
      locale: 'de-AT',
      timeZone: 'Europe/Vienna',
      consent: { reminders: true, wording: '2026-11' },
    },
    responses: CART_RESPONSE,
    problems: ['not_found', 'cart_closed'],
    async handler(request) {
      const { auth, body, now } = request;
      const { cart } = await findCart(ctx, request);
      const change = { tenantId: auth.tenantId, actor: auth.actor, cartId: cart.id, contact: body, now };
      return answerChange(ctx, await ctx.store.carts.putContact(change), request);
    },
  });
}

interface CartRequest {
  readonly auth: TenantCaller;
  readonly params: { readonly id: string };
  readonly now: Date;
}

/** @throws {HttpProblem} not_found, also for a cart that is somebody else's */
export async function findCart(ctx: ApiContext, { auth, params }: CartRequest): Promise<StoredCart> {
  const stored = await ctx.store.carts.get(auth.tenantId, params.id);
  if (stored === undefined || !seesCart(auth, stored)) throw new HttpProblem('not_found');
  return stored;
}

async function answerChange(ctx: ApiContext, changed: Changed, request: CartRequest): Promise<JsonReply> {
  switch (changed.outcome) {
    case 'missing':
      throw new HttpProblem('not_found');
    case 'closed':
      throw new HttpProblem('cart_closed');
    case 'full':
      throw new HttpProblem('cart_full');
    case 'changed':
    case 'same':
      return { status: 200, body: await presentCart(ctx, changed, request) };
  }
}
