import * as z from 'zod';
import { Instant } from '../operation.ts';
import { pageOf } from '../routes.ts';
import { withoutCardNumbers } from '../card-numbers.ts';
import { Money, Price } from './money.ts';

const MAX_STOCK = 1_000_000;
const MAX_PRICES = 20;

/** The shop's own name of a product; seen in logs and addresses. */
export const Sku = withoutCardNumbers(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 of A-Z, a-z, 0-9 and . _ -, and start with a letter or digit'),
).meta({ example: 'brass-gear' });

export const ProductParams = z.object({ sku: Sku });

const ProductFields = z.strictObject({
  name: z.string().trim().min(1).max(200).meta({ example: 'Brass gear, 24 teeth' }),
  prices: z
    .array(Price)
    .min(1)
    .max(MAX_PRICES)
    .refine((prices) => new Set(prices.map(({ currency }) => currency)).size === prices.length, 'must have one price in a currency')
    .meta({
      description: 'Of one piece, with tax; one in each currency that it is sold in.',
      example: [{ amount: 1999, currency: 'EUR' }],
    }),
  taxPercent: z.number().min(0).max(100).multipleOf(0.01).default(0).meta({ description: 'Contained in the prices.', example: 19 }),
  stock: z.int().min(0).max(MAX_STOCK).optional().meta({
    description: 'Pieces that are not sold yet, those held for carts among them. Left out: as many as there are; of a new product, none.',
    example: 50,
  }),
  isActive: z.boolean().default(true).meta({ description: 'Whether it is sold.' }),
});

export const ProductContent = withoutCardNumbers(ProductFields).meta({ id: 'ProductContent' });
export type ProductContent = z.output<typeof ProductContent>;

export const Product = z
  .object({
    sku: Sku,
    object: z.literal('product'),
    createdAt: Instant,
    updatedAt: Instant,
    name: z.string(),
    prices: z.array(Money),
    taxPercent: z.number(),
    stock: z.int(),
    available: z.int().meta({ description: 'Of the stock, what no cart holds right now.' }),
    isActive: z.boolean(),
  })
  .meta({ id: 'Product' });
export type Product = z.infer<typeof Product>;

export const ProductPage = pageOf(Product, 'ProductPage');
