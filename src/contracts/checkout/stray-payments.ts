import * as z from 'zod';
import { Instant } from '../operation.ts';
import { pageOf } from '../routes.ts';
import { Currency } from './money.ts';

/** Money at the payment provider that was taken or reserved in our name for an order that is not there. */
export const StrayPayment = z
  .object({
    id: z.string().meta({ description: 'At the payment provider.' }),
    object: z.literal('strayPayment'),
    createdAt: Instant.meta({ description: 'When it was found.' }),
    orderId: z.string().meta({ description: 'As the payment says; there is no such order.' }),
    status: z.string(),
    currency: Currency,
    capturableAmount: z.int().meta({ description: 'Reserved, and not taken.' }),
    receivedAmount: z.int(),
    refundedAmount: z.int(),
  })
  .meta({ id: 'StrayPayment' });
export type StrayPayment = z.infer<typeof StrayPayment>;

export const StrayPaymentPage = pageOf(StrayPayment, 'StrayPaymentPage');
