import { openRecovery, Recovery, RecoveryBody } from '../../contracts/checkout/recovery.ts';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { tenantOfToken } from '../../contracts/sealed-token.ts';
import type { StoredCart } from '../../store/checkout/cart-steps.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { publicRoute, type Route } from '../lib/route.ts';
import { EXAMPLE_CART } from './carts.ts';
import { presentCart } from './present-cart.ts';

export const TOKEN_TTL_MS = 3_600_000;
const ACTOR = { actor: 'recovery_link' };
const SCOPES = Object.values(CHECKOUT_SCOPES);

const EXAMPLE: Recovery = {
  object: 'cartRecovery',
  createdAt: '2026-11-25T08:00:00.000Z',
  cart: EXAMPLE_CART,
  token: 'nt_t7w2x9ab_mJ2u0mXv8a3pQ5r7t9w1y3A5C7E9G1I3K5M7O9Q1S3Ue4c1d2',
  expiresAt: '2026-11-25T09:00:00.000Z',
};

/** What the page behind a link in a mail asks: which cart it is, and a token for it alone. */
export function recoveryRoutes(ctx: ApiContext): Route[] {
  return [
    publicRoute({
      method: 'post',
      path: '/v1/cart-recoveries',
      operationId: 'recoverCart',
      summary: 'Restore the cart behind a link in a mail',
      description:
        'Needs no key: the link is signed and good for seven days. The token that it gives reaches this cart and the order made from it, and ' +
        'nothing else of whoever filled it; name and address stay hidden. The cart is priced anew.',
      tag: 'Checkout',
      feature: 'checkout',
      body: RecoveryBody,
      bodyExample: { token: 'acme.kq0Z…' },
      responses: { 200: { description: 'The cart as it is now.', schema: Recovery, example: EXAMPLE } },
      problems: ['recovery_link_invalid'],
      async handler({ body, now }) {
        const found = await findRecovered(ctx, body.token, now);
        if (found === undefined) throw new HttpProblem('recovery_link_invalid');
        const { tenantId, stored, subject } = found;
        const resources = [`cart/${stored.cart.id}`];
        const expiresAt = new Date(now.getTime() + TOKEN_TTL_MS);
        const made = await ctx.store.apiKeys.create({
          ...{ tenantId, kind: 'token', name: 'recovered cart', subject, scopes: SCOPES, resources, expiresAt, actor: ACTOR, now },
        });
        if (made.outcome !== 'created') throw new Error('without an idempotency key there is nothing to repeat');
        // As the holder of this token sees it.
        const auth = {
          ...{ tenantId, keyId: made.key.id, kind: 'token' as const, scopes: SCOPES, subject, resources, expiresAt },
          actor: ACTOR,
        };
        const cart = await presentCart(ctx, stored, { auth, now });
        const reply: Recovery = {
          object: 'cartRecovery',
          createdAt: now.toISOString(),
          cart,
          token: made.secret,
          expiresAt: expiresAt.toISOString(),
        };
        return { status: 200, body: reply, headers: { 'Cache-Control': 'no-store' } };
      },
    }),
  ];
}

interface Recovered {
  readonly tenantId: string;
  readonly stored: StoredCart;
  readonly subject: string;
}

async function findRecovered(ctx: ApiContext, token: string, now: Date): Promise<Recovered | undefined> {
  const named = tenantOfToken(token);
  const secret = named === undefined ? undefined : await ctx.store.email.findUnsubscribeSecret(named);
  const claim = secret === undefined ? undefined : openRecovery(secret, token, now);
  if (claim === undefined) return undefined;
  const stored = await ctx.store.carts.recover({ ...claim, actor: ACTOR, now });
  const subject = stored?.cart.owner_subject ?? undefined;
  return stored === undefined || subject === undefined ? undefined : { tenantId: claim.tenantId, stored, subject };
}
