import type Stripe from 'stripe';
import type { Call } from './call.ts';
import { missing } from './errors.ts';

/** The intent of a call, which a publishable key reaches only with its client secret. */
export function intentFor({ work, id, parameters, access }: Call): Stripe.PaymentIntent {
  const secret = parameters.text('client_secret');
  const intent = work.intent(id);
  const isSecretWrong = typeof secret === 'string' && secret !== intent.client_secret;
  if (isSecretWrong || (access === 'publishable' && typeof secret !== 'string')) throw missing('payment_intent', id, 'intent');
  return intent;
}

/** What a browser sees. */
export function publicView(intent: Stripe.PaymentIntent): Stripe.PaymentIntent {
  return { ...intent, customer: null, latest_charge: null, metadata: {} };
}
