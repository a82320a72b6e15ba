import * as z from 'zod';
import type { ApiContext } from '../lib/context.ts';
import { readBytes } from '../lib/json.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, publicRoute } from '../lib/route.ts';

const MAX_BYTES = 1024 * 1024;
const Received = z.object({ received: z.literal(true) }).meta({ id: 'Received' });

/** Where the payment provider says what happened. */
export function stripeHookRoutes(ctx: ApiContext): Route[] {
  return [
    publicRoute({
      method: 'post',
      path: '/hooks/stripe',
      operationId: 'receiveStripeEvent',
      summary: 'Take what Stripe says happened',
      description:
        'For Stripe’s own calls: the body is signed with the secret of the webhook endpoint. An event is stored once, however often it comes, ' +
        'before it is acknowledged; nothing is stored of what is not signed or is more than 5 minutes old. What it is about is then read anew.',
      tag: 'Checkout',
      feature: 'checkout',
      responses: { 200: { description: 'Stored.', schema: Received, example: { received: true } } },
      problems: ['invalid_signature', 'payload_too_large'],
      handler: ({ now }) => ({
        async send({ request, response }) {
          const body = await readBytes(request, MAX_BYTES);
          const header = request.headers['stripe-signature'];
          const signature = typeof header === 'string' ? header : undefined;
          const check = ctx.payments.checkWebhook({ body, signature, nowMs: now.getTime() });
          if (!check.isGenuine) throw new HttpProblem('invalid_signature', REASONS[check.reason]);
          await ctx.store.system.checkout.receive([check.event], now);
          ctx.wakePayments?.();
          response.status(200).setHeader('Content-Type', 'application/json; charset=utf-8');
          response.end(JSON.stringify({ received: true }));
        },
      }),
    }),
  ];
}

const REASONS = {
  signature: 'The signature is missing, or was made with another secret or over another body.',
  too_old: 'The signature is more than 5 minutes old.',
  too_new: 'The signature is from the future by more than 5 minutes.',
  malformed: 'The body is no event.',
  mode: 'The event is of the other mode, live or test.',
} as const;
