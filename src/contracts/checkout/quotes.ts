import { createHash } from 'node:crypto';
import * as z from 'zod';
import { Currency } from './money.ts';
import { Sku } from './products.ts';

export const QuoteLine = z
  .object({
    sku: Sku,
    name: z.string(),
    quantity: z.int(),
    unitAmount: z.int().meta({ description: 'Of one piece, with tax.' }),
    amount: z.int().meta({ description: 'Of all of them, with tax.' }),
    taxAmount: z.int().meta({ description: 'Contained in `amount`.' }),
    available: z.int().meta({ description: 'Pieces that this cart could have.' }),
  })
  .meta({ id: 'QuoteLine' });
export type QuoteLine = z.infer<typeof QuoteLine>;

export const QuoteFault = z
  .object({
    sku: Sku.optional(),
    code: z.enum(['empty', 'not_for_sale', 'no_price', 'out_of_stock', 'nothing_to_pay', 'not_payable']),
  })
  .meta({
    id: 'QuoteFault',
    description:
      'Why the cart can not be bought as it is. `no_price`: it is not sold in this currency. `not_payable`: less or more than can be paid at ' +
      'once, or in fractions that the currency does not have.',
  });
export type QuoteFault = z.infer<typeof QuoteFault>;

/** What a cart costs right now: from the catalogue alone, nothing of it comes from the buyer. */
export const Quote = z
  .object({
    currency: Currency,
    lines: z.array(QuoteLine),
    shippingAmount: z.int(),
    taxAmount: z.int().meta({ description: 'Contained in `totalAmount`.' }),
    totalAmount: z.int(),
    faults: z.array(QuoteFault).meta({ description: 'Empty: it can be bought.' }),
    quoteHash: z.string().meta({ description: 'Changes with everything that the buyer would agree to; checkout wants it back.' }),
  })
  .meta({ id: 'Quote' });
export type Quote = z.infer<typeof Quote>;

/** What the buyer agrees to: pieces and prices. Stock is left out, since it changes with what others do. */
export function quoteHashOf(quote: Omit<Quote, 'quoteHash' | 'faults'>): string {
  const lines = quote.lines.map(({ sku, quantity, unitAmount, amount, taxAmount }) => [sku, quantity, unitAmount, amount, taxAmount]);
  const agreed = [quote.currency, lines, quote.shippingAmount, quote.taxAmount, quote.totalAmount];
  return createHash('sha256').update(JSON.stringify(agreed)).digest('base64url').slice(0, 22);
}
