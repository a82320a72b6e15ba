import * as z from 'zod';
import { Instant } from '../operation.ts';
import { openToken, sealToken } from '../sealed-token.ts';
import { Cart } from './carts.ts';

const PURPOSE = 'cart-recovery';
const KEEPS_MS = 7 * 86_400_000; // 7 d

const Sealed = z
  .string()
  .regex(/^[0-9a-f-]{36} \d{10,16}$/)
  .transform((text) => ({ cartId: text.slice(0, 36), expiresAtMs: Number(text.slice(37)) }));

/** Which cart a recovery link restores. It says nothing of a person, and logs nobody in. */
export interface RecoveryClaim {
  readonly tenantId: string;
  readonly cartId: string;
}

/** The token of a link that restores a cart on any device, for seven days from `now`. */
export function sealRecovery(secret: Buffer, { tenantId, cartId }: RecoveryClaim, now: Date): string {
  return sealToken({ secret, purpose: PURPOSE }, tenantId, `${cartId} ${now.getTime() + KEEPS_MS}`);
}

/** What a token restores; undefined when it is not one of ours or too old. */
export function openRecovery(secret: Buffer, token: string, now: Date): RecoveryClaim | undefined {
  const opened = openToken({ secret, purpose: PURPOSE }, token);
  const parsed = Sealed.safeParse(opened?.text);
  if (opened === undefined || !parsed.success || parsed.data.expiresAtMs <= now.getTime()) return undefined;
  return { tenantId: opened.tenantId, cartId: parsed.data.cartId };
}

export const RecoveryBody = z
  .strictObject({
    token: z.string().min(1).max(1000).meta({ description: 'What the link in the mail carries as `cart`.', example: 'acme.kq0Z…' }),
  })
  .meta({ id: 'RecoveryBody' });

/** A cart that was restored, and what its page needs to go on with it. */
export const Recovery = z
  .object({
    object: z.literal('cartRecovery'),
    createdAt: Instant,
    cart: Cart,
    token: z.string().meta({ description: 'A token for this cart and the order made from it, and for nothing else.' }),
    expiresAt: Instant.meta({ description: 'Of the token.' }),
  })
  .meta({ id: 'CartRecovery' });
export type Recovery = z.infer<typeof Recovery>;
