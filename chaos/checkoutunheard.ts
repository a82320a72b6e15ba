import { checkout } from './checkout.ts';

/** Checkout without a single webhook: all of them are dropped. */
export const checkoutunheardChaos = checkout('checkoutunheard', { webhooks: { dropped: 1 }, lastWebhooks: { dropped: 1 } });
