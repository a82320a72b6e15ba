import * as z from 'zod';
import { Instant } from '../operation.ts';
import { openToken, sealToken } from '../sealed-token.ts';

const PURPOSE = 'shop-visitor';

/** Who visits the demo shop: a name that we made, known again in the same browser. */
export function sealVisitor(secret: Buffer, tenantId: string, subject: string): string {
  return sealToken({ secret, purpose: PURPOSE }, tenantId, subject);
}

/** Undefined when it is not one of ours. */
export function openVisitor(secret: Buffer, visitor: string): { readonly tenantId: string; readonly subject: string } | undefined {
  const opened = openToken({ secret, purpose: PURPOSE }, visitor);
  return opened === undefined ? undefined : { tenantId: opened.tenantId, subject: opened.text };
}

export const VisitBody = z
  .strictObject({
    visitor: z.string().min(1).max(1000).optional().meta({ description: 'From an earlier visit: the same carts are reached again.' }),
  })
  .meta({ id: 'ShopVisitBody' });

export const Visit = z
  .object({
    object: z.literal('shopVisit'),
    createdAt: Instant,
    token: z.string().meta({ description: 'A token of the visitor, for carts and orders of its own.' }),
    expiresAt: Instant.meta({ description: 'Of the token.' }),
    visitor: z.string().meta({ description: 'To be sent with the next visit.' }),
    shopName: z.string(),
  })
  .meta({ id: 'ShopVisit' });
export type Visit = z.infer<typeof Visit>;
