import { type Kysely, type Selectable, sql } from 'kysely';
import type { Catalogue, QuoteRequest } from '../../adapters/catalogue.ts';
import { type Article, priceQuote } from '../../contracts/checkout/pricing.ts';
import type { ProductContent } from '../../contracts/checkout/products.ts';
import type { Actor, AuditStore } from '../audit.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Database } from '../schema.ts';
import { DEMO_PRODUCTS, DEMO_SHIPPING } from './demo-shop.ts';

/** A product, and how many of it nobody has put aside. */
export type ProductRow = Selectable<Database['product']> & { readonly available: number };

interface PutProductRequest {
  readonly tenantId: string;
  readonly sku: string;
  readonly content: ProductContent;
  readonly actor: Actor;
  readonly now: Date;
}

interface ProductPageRequest {
  readonly limit: number;
  /** The last one of the page before. */
  readonly after?: string | undefined;
  /** Only what is sold. */
  readonly isActive: boolean;
  readonly now: Date;
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
}

/** The product's own catalogue: what is sold, for how much, and how many are left. */
export function createProductsStore({ db, audit }: Parts) {
  /** Replaces the whole product but the stock where none is given, since pieces may be sold at the same moment; what carts hold stays held. */
  async function put(request: PutProductRequest): Promise<{ readonly created: boolean; readonly product: ProductRow }> {
    const { tenantId, sku, content, actor, now } = request;
    return withTenant(db, tenantId, async (tx) => {
      const before = await tx
        .selectFrom('product')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .where('sku', '=', sku)
        .forUpdate()
        .executeTakeFirst();
      await upsert(tx, { tenantId, sku, content, now });
      await audit.record(tx, {
        ...actor,
        tenantId,
        at: now,
        action: before === undefined ? 'product.created' : 'product.changed',
        target: `product/${sku}`,
        after: content,
        ...(before === undefined ? {} : { before }),
      });
      const [product] = await read(tx, { tenantId, skus: [sku], now });
      if (product === undefined) throw new Error('the product that was just written is gone');
      return { created: before === undefined, product };
    });
  }

  async function list(tenantId: string, { limit, after, isActive, now }: ProductPageRequest): Promise<ProductRow[]> {
    return withTenant(db, tenantId, async (tx) => {
      let query = tx.selectFrom('product').select('sku').where('tenant_id', '=', tenantId);
      if (isActive) query = query.where('is_active', '=', true);
      if (after !== undefined) query = query.where('sku', '>', after);
      const rows = await query.orderBy('sku').limit(limit).execute();
      return read(tx, { tenantId, skus: rows.map(({ sku }) => sku), now });
    });
  }

  /** Puts the products of the demo shop there when the tenant has none at all. Safe to repeat. */
  async function seedDemo(tenantId: string, now: Date): Promise<void> {
    await withTenant(db, tenantId, async (tx) => {
      const found = await tx.selectFrom('product').select('sku').where('tenant_id', '=', tenantId).limit(1).executeTakeFirst();
      if (found !== undefined) return;
      for (const [sku, content] of Object.entries(DEMO_PRODUCTS)) await upsert(tx, { tenantId, sku, content, now });
      for (const rate of DEMO_SHIPPING) {
        await tx
          .insertInto('shipping_rate')
          .values({ tenant_id: tenantId, ...rate, created_at: now, updated_at: now })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }
      await audit.record(tx, { actor: 'system', tenantId, at: now, action: 'product.created', target: 'product/demo' });
    });
  }

  return { put, list, seedDemo, catalogue: createCatalogue(db) };
}

/** The catalogue port over our own tables. */
function createCatalogue(db: Kysely<Database>): Catalogue {
  return {
    quote: ({ tenantId, cartId, currency, items, now }: QuoteRequest) =>
      withTenant(db, tenantId, async (tx) => {
        const rows = await read(tx, { tenantId, skus: items.map(({ sku }) => sku), now, cartId });
        const shipping = await tx
          .selectFrom('shipping_rate')
          .selectAll()
          .where('tenant_id', '=', tenantId)
          .where('currency', '=', currency)
          .executeTakeFirst();
        return priceQuote({
          currency,
          items,
          articles: new Map(rows.map((row) => [row.sku, articleOf(row, currency)])),
          shipping:
            shipping === undefined
              ? undefined
              : { amount: shipping.amount, freeFromAmount: shipping.free_from_amount, taxBasisPoints: shipping.tax_basis_points },
        });
      }),
  };
}

interface ReadRequest {
  readonly tenantId: string;
  readonly skus: readonly string[];
  /** Whose own hold counts as there. */
  readonly cartId?: string | undefined;
  readonly now: Date;
}

/** In the order of their names. Holds that have expired count for nothing. */
async function read(tx: Tx, { tenantId, skus, cartId, now }: ReadRequest): Promise<ProductRow[]> {
  if (skus.length === 0) return [];
  const { rows } = await sql<ProductRow>`
    select p.*, greatest(0, p.stock - coalesce((
      select sum(h.quantity) from stock_hold h
      where h.tenant_id = p.tenant_id and h.sku = p.sku and h.expires_at > ${now}::timestamptz
        and h.cart_id is distinct from ${cartId ?? null}::uuid), 0))::integer as available
    from product p where p.tenant_id = ${tenantId} and p.sku = any(${[...skus]}::text[]) order by p.sku`.execute(tx);
  return rows;
}

function articleOf(row: ProductRow, currency: string): Article {
  return {
    sku: row.sku,
    name: row.name,
    unitAmount: row.prices[currency],
    taxBasisPoints: row.tax_basis_points,
    available: row.available,
    isActive: row.is_active,
  };
}

async function upsert(tx: Tx, { tenantId, sku, content, now }: Omit<PutProductRequest, 'actor'>): Promise<void> {
  const values = {
    name: content.name,
    prices: JSON.stringify(Object.fromEntries(content.prices.map(({ amount, currency }) => [currency, amount]))),
    tax_basis_points: Math.round(content.taxPercent * 100),
    ...(content.stock === undefined ? {} : { stock: content.stock }),
    is_active: content.isActive,
    updated_at: now,
  };
  await tx
    .insertInto('product')
    .values({ tenant_id: tenantId, sku, created_at: now, stock: 0, ...values })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'sku']).doUpdateSet(values))
    .execute();
}
