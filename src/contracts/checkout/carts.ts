import * as z from 'zod';
import { Instant } from '../operation.ts';
import { UuidParams } from '../routes.ts';
import { Subject } from '../subject.ts';
import { isLocale, isTimeZone } from '../users.ts';
import { withoutCardNumbers } from '../card-numbers.ts';
import { Currency } from './money.ts';
import { Sku } from './products.ts';
import { Quote } from './quotes.ts';

const MAX_QUANTITY = 99;
export const MAX_LINES = 50;

export const CartStatus = z.enum(['open', 'ordered', 'expired']).meta({
  id: 'CartStatus',
  description:
    '`ordered`: an order was made from it and has not failed; an order that fails or is cancelled opens it again. `expired`: nobody touched ' +
    'it for so long that it is closed for good.',
});

export const Quantity = z.int().min(1).max(MAX_QUANTITY).meta({ example: 2 });

export const CartItemParams = z.object({ ...UuidParams.shape, sku: Sku });

export const CartItemContent = z.strictObject({ quantity: Quantity }).meta({ id: 'CartItemContent' });

const NewCartFields = z.strictObject({
  currency: Currency,
  items: z
    .array(z.strictObject({ sku: Sku, quantity: Quantity }))
    .max(MAX_LINES)
    .refine((items) => new Set(items.map(({ sku }) => sku)).size === items.length, 'must name an article once')
    .optional(),
  ownerSubject: Subject.optional().meta({
    description: 'The end user whose cart it is, whose tokens may see it. For keys only: the cart of a token is its subject’s own.',
  }),
});

export const NewCart = withoutCardNumbers(NewCartFields).meta({ id: 'NewCart' });

/** Who buys, and whether that person may be reminded. */
const CartContactFields = z.strictObject({
  email: z.email('must be one e-mail address').max(254).meta({ example: 'ada@example.com' }),
  name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .regex(/^[^\r\n]*$/, 'must be on one line')
    .optional()
    .meta({ example: 'Ada' }),
  locale: z
    .string()
    .max(64)
    .refine(isLocale, 'must be a BCP 47 language tag such as de-AT')
    .optional()
    .meta({ description: 'Mails about the cart and its order are in this language, if there is a template in it.', example: 'de-AT' }),
  timeZone: z.string().max(64).refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin').optional().meta({
    description: 'No reminder comes in its night, 21 to 8 o’clock. Without it, the shop’s zone counts.',
    example: 'Europe/Berlin',
  }),
  consent: z
    .strictObject({
      reminders: z.boolean().meta({ description: 'Whether the buyer agreed to be reminded of the cart.' }),
      wording: z
        .string()
        .trim()
        .min(1)
        .max(100)
        .optional()
        .meta({ description: 'Version of the text that was agreed to. Required with `reminders: true`.', example: '2026-11' }),
    })
    .refine(({ reminders, wording }) => !reminders || wording !== undefined, {
      message: 'is required with `reminders: true`',
      path: ['wording'],
    })
    .optional()
    .meta({ description: 'Left out: as before. `reminders: false` takes it back at once.' }),
});

export const CartContact = withoutCardNumbers(CartContactFields).meta({ id: 'CartContact' });
export type CartContact = z.output<typeof CartContact>;

/** A cart with what it costs right now. */
export const Cart = z
  .object({
    id: z.uuid(),
    object: z.literal('cart'),
    createdAt: Instant,
    updatedAt: Instant,
    status: CartStatus,
    version: z.int().meta({ description: 'Grows with every change.' }),
    attempt: z.int().meta({ description: 'The order that it is or will be made into: 1, and one more after each that failed.' }),
    currency: Currency,
    items: z.array(z.object({ sku: Sku, quantity: z.int() })),
    contact: z
      .object({
        email: z
          .string()
          .meta({ description: 'For a token that is limited to this cart, all but its first letter and its domain is hidden.' }),
        name: z.string().optional(),
        locale: z.string().optional(),
        timeZone: z.string().optional(),
        consent: z.object({ reminders: z.boolean(), wording: z.string().optional(), agreedAt: Instant.optional() }),
      })
      .optional(),
    quote: Quote,
    orderId: z.uuid().optional().meta({ description: 'The latest order made from it.' }),
    ownerSubject: z.string().optional(),
  })
  .meta({ id: 'Cart' });
export type Cart = z.infer<typeof Cart>;
