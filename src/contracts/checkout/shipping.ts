import * as z from 'zod';
import { Instant } from '../operation.ts';
import { pageOf } from '../routes.ts';
import { Amount, Currency } from './money.ts';

export const ShippingParams = z.object({ currency: Currency });

/** What sending an order costs in one currency. */
export const ShippingContent = z
  .strictObject({
    amount: Amount.meta({ description: 'With tax; 0: nothing.', example: 490 }),
    freeFromAmount: Amount.optional().meta({
      description: 'Goods of this much are sent for nothing. Without it, none are.',
      example: 10_000,
    }),
    taxPercent: z.number().min(0).max(100).multipleOf(0.01).default(0).meta({ description: 'Contained in the amount.', example: 19 }),
  })
  .meta({ id: 'ShippingContent' });
export type ShippingContent = z.output<typeof ShippingContent>;

export const ShippingRate = z
  .object({
    currency: Currency,
    object: z.literal('shippingRate'),
    createdAt: Instant,
    updatedAt: Instant,
    amount: z.int(),
    freeFromAmount: z.int().optional(),
    taxPercent: z.number(),
  })
  .meta({ id: 'ShippingRate' });
export type ShippingRate = z.infer<typeof ShippingRate>;

export const ShippingPage = pageOf(ShippingRate, 'ShippingPage');
