import * as z from 'zod';
import { Product, ProductContent, ProductPage, ProductParams, Sku } from '../../contracts/checkout/products.ts';
import { CATALOGUE_SCOPE, CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { IdPageQuery, writeCursor } from '../../contracts/routes.ts';
import type { ProductRow } from '../../store/checkout/products.ts';
import type { ApiContext } from '../lib/context.ts';
import { cutPage, readIdCursor } from '../lib/pages.ts';
import { type Route, tenantRoute } from '../lib/route.ts';

const TAG = 'Checkout';
const SKU = { test: (sku: string) => Sku.safeParse(sku).success };

const CONTENT = {
  name: 'Brass gear, 24 teeth',
  prices: [
    { amount: 1990, currency: 'EUR' },
    { amount: 3200, currency: 'JPY' },
  ],
  taxPercent: 19,
  stock: 120,
  isActive: true,
};
const EXAMPLE: Product = {
  sku: 'brass-gear',
  object: 'product',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  ...CONTENT,
  available: 118,
};

/** What is sold. */
export function productRoutes(ctx: ApiContext): Route[] {
  return [listRoute(ctx), putRoute(ctx)];
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.read, CATALOGUE_SCOPE], {
    method: 'get',
    path: '/v1/products',
    operationId: 'listProducts',
    summary: 'List what is sold',
    description: 'By `sku`, with what is left. A token sees what is for sale, a key all of it.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    query: z.object(IdPageQuery),
    responses: { 200: { description: 'One page.', schema: ProductPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } } },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor }, now }) {
      const page = { limit: limit + 1, after: readIdCursor(cursor, SKU), isActive: auth.kind === 'token', now };
      const { rows, hasMore } = cutPage(await ctx.store.products.list(auth.tenantId, page), limit);
      const last = rows.at(-1);
      const nextCursor = hasMore && last !== undefined ? writeCursor([last.sku]) : null;
      return { status: 200, body: { data: rows.map(presentProduct), hasMore, nextCursor } };
    },
  });
}

function putRoute(ctx: ApiContext): Route {
  return tenantRoute([CATALOGUE_SCOPE], {
    method: 'put',
    path: '/v1/products/{sku}',
    operationId: 'putProduct',
    summary: 'Make or replace a product',
    description:
      'Prices hold for carts from now on; an order keeps those that it was made with. `stock` counts what is not sold yet, so pieces that ' +
      'carts hold are among it; leave it out to change anything else without undoing what is sold meanwhile.',
    tag: TAG,
    feature: 'checkout',
    params: ProductParams,
    checksParams: true,
    body: ProductContent,
    bodyExample: CONTENT,
    responses: {
      200: { description: 'Replaced.', schema: Product, example: EXAMPLE },
      201: { description: 'Made.', schema: Product, example: EXAMPLE },
    },
    async handler({ auth, params, body, now }) {
      const request = { tenantId: auth.tenantId, sku: params.sku, content: body, actor: auth.actor, now };
      const { created, product } = await ctx.store.products.put(request);
      return { status: created ? 201 : 200, body: presentProduct(product) };
    },
  });
}

function presentProduct(row: ProductRow): Product {
  return {
    sku: row.sku,
    object: 'product',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    name: row.name,
    prices: Object.entries(row.prices).map(([currency, amount]) => ({ amount, currency })),
    taxPercent: row.tax_basis_points / 100,
    stock: row.stock,
    available: row.available,
    isActive: row.is_active,
  };
}
