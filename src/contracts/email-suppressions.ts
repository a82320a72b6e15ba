import * as z from 'zod';
import { Address, bareAddress } from './email.ts';
import { Instant } from './operation.ts';
import { pageOf, PageQuery } from './routes.ts';

const Scope = z.enum(['all', 'bulk']).meta({
  id: 'SuppressionScope',
  description: '`all`: no mail at all. `bulk`: no mail of this category; receipts and the like still arrive.',
});

const Reason = z.enum(['unsubscribed', 'bounced', 'complained', 'manual']).meta({ id: 'SuppressionReason' });

/** An address without a name, in small letters, as suppressions are compared. */
const PlainAddress = Address.transform((entry) => bareAddress(entry).toLowerCase());

export const NewSuppression = z
  .strictObject({
    address: PlainAddress,
    scope: Scope.optional().meta({ description: 'Default `all`.' }),
    reason: Reason.optional().meta({ description: 'Default `manual`.' }),
    expiresAt: Instant.optional().meta({
      description: 'Mail is sent again after this instant. Without it, when the suppression is removed.',
    }),
  })
  .meta({ id: 'NewSuppression' });

export const Suppression = z
  .object({
    id: z.uuid(),
    object: z.literal('suppression'),
    createdAt: Instant,
    updatedAt: Instant,
    address: z.string(),
    scope: Scope,
    reason: Reason,
    expiresAt: Instant.optional(),
  })
  .meta({ id: 'Suppression', description: 'Somebody who gets no mail.' });
export type Suppression = z.infer<typeof Suppression>;

export const SuppressionPage = pageOf(Suppression, 'SuppressionPage');

export const SuppressionQuery = z.object({
  address: PlainAddress.optional().meta({ description: 'Only those of this address.', example: 'ada@example.com' }),
  ...PageQuery,
});
