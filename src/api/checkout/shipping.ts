import { CATALOGUE_SCOPE, CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { ShippingContent, ShippingPage, ShippingParams, ShippingRate } from '../../contracts/checkout/shipping.ts';
import type { ShippingRow } from '../../store/checkout/shipping.ts';
import type { ApiContext } from '../lib/context.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { requireWhole } from './amounts.ts';

const TAG = 'Checkout';
const CONTENT = { amount: 490, freeFromAmount: 10_000, taxPercent: 19 };
const EXAMPLE: ShippingRate = {
  currency: 'EUR',
  object: 'shippingRate',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  ...CONTENT,
};

/** What sending costs. */
export function shippingRoutes(ctx: ApiContext): Route[] {
  return [listRoute(ctx), putRoute(ctx)];
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.read, CATALOGUE_SCOPE], {
    method: 'get',
    path: '/v1/shipping-rates',
    operationId: 'listShippingRates',
    summary: 'List what sending costs',
    description: 'All of it, by currency. Where there is no rate, sending costs nothing.',
    tag: TAG,
    feature: 'checkout',
    responses: {
      200: { description: 'One page.', schema: ShippingPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
    },
    async handler({ auth }) {
      const rows = await ctx.store.checkout.shipping.list(auth.tenantId);
      return { status: 200, body: { data: rows.map(presentShipping), hasMore: false, nextCursor: null } };
    },
  });
}

function putRoute(ctx: ApiContext): Route {
  return tenantRoute([CATALOGUE_SCOPE], {
    method: 'put',
    path: '/v1/shipping-rates/{currency}',
    operationId: 'putShippingRate',
    summary: 'Say what sending costs',
    description: 'In one currency, whatever is bought. It holds for carts from now on; an order keeps what it was made with.',
    tag: TAG,
    feature: 'checkout',
    params: ShippingParams,
    checksParams: true,
    body: ShippingContent,
    bodyExample: CONTENT,
    responses: { 200: { description: 'It holds.', schema: ShippingRate, example: EXAMPLE } },
    async handler({ auth, params: { currency }, body, now }) {
      requireWhole(body.amount, currency);
      const request = { tenantId: auth.tenantId, currency, content: body, actor: auth.actor, now };
      return { status: 200, body: presentShipping(await ctx.store.checkout.shipping.put(request)) };
    },
  });
}

function presentShipping(row: ShippingRow): ShippingRate {
  return {
    currency: row.currency,
    object: 'shippingRate',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    amount: row.amount,
    ...(row.free_from_amount === null ? {} : { freeFromAmount: row.free_from_amount }),
    taxPercent: row.tax_basis_points / 100,
  };
}
