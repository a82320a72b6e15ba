import {
  duration,
  durations,
  isOne,
  setting,
  stripePublishableKey,
  stripeSecretKey,
  stripeWebhookSecrets,
  text,
  timeZone,
  webUrl,
} from './setting-types.ts';

/** Settings of carts, payments and orders. */
export const checkoutSettings = {
  STRIPE_API_KEY: setting(stripeSecretKey, {
    group: 'Payments',
    description: 'Secret or restricted key of the Stripe account.',
    unset: 'a simulator, with npm start; with all else outside, none: orders wait',
    secret: true,
  }),
  STRIPE_PUBLISHABLE_KEY: setting(stripePublishableKey, {
    group: 'Payments',
    description: 'Publishable key of the same account, for payment forms in browsers.',
    unset: 'none',
  }),
  STRIPE_WEBHOOK_SECRETS: setting(stripeWebhookSecrets, {
    group: 'Payments',
    description: "Secret of the account's webhook endpoint; while it is being replaced both, with a comma, the new one first.",
    unset: 'none',
    secret: true,
  }),
  STRIPE_URL: setting(webUrl, {
    group: 'Payments',
    description: 'Where something that speaks as Stripe does is reached, such as a simulator. Never with a live key.',
    unset: 'Stripe',
  }),
  ALLOW_LIVE_PAYMENTS: setting(isOne, {
    group: 'Payments',
    description: 'With 1, a live key is accepted, and takes real money.',
    unset: 'live keys are refused',
  }),
  PAYMENT_RETURN_URL: setting(webUrl, {
    group: 'Payments',
    description:
      'Where buyers come back to after they approved a payment at their bank. Needed with a Stripe key, as our own shop is closed then.',
    unset: '/shop of PUBLIC_URL',
  }),
  PAY_WITHIN: setting(duration, {
    group: 'Payments',
    description: 'How long a buyer may take to pay; then the order ends and the goods are free for others.',
    unset: '30m',
    unit: 'duration',
  }),
  RECONCILE_PAYMENTS: setting(duration, {
    group: 'Payments',
    description: 'How often payments are compared with what the provider says of them.',
    unset: '5m',
    unit: 'duration',
  }),
  SHOP_NAME: setting(text.min(1).max(200), {
    group: 'Shop',
    description: 'Name of the shop in receipts and reminders.',
    unset: 'Nightshift shop',
  }),
  SHOP_TENANT: setting(text.regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be the id of a tenant'), {
    group: 'Shop',
    description: 'Tenant whose products the demo shop at /shop sells, while payments are simulated.',
    unset: 'default',
  }),
  SHOP_TIME_ZONE: setting(timeZone, {
    group: 'Shop',
    description: 'Whose night, 21 to 8 o’clock, is kept free of reminders to buyers whose own zone is not known.',
    unset: 'UTC',
  }),
  CART_REMINDERS: setting(durations, {
    group: 'Shop',
    description: 'When buyers who agreed to it are reminded of a cart, after its last change; off for never.',
    unset: '1h,24h,72h',
    unit: 'durations',
  }),
  CART_RECOVERY_URL: setting(webUrl, {
    group: 'Shop',
    description:
      'The page that links in reminders lead to; it gets the token of the cart as ?cart=. Needed with a Stripe key, as our own shop is closed then.',
    unset: '/shop of PUBLIC_URL',
  }),
  CART_EXPIRES: setting(duration, {
    group: 'Shop',
    description: 'How long nobody touches a cart until it is closed.',
    unset: '30d',
    unit: 'duration',
  }),
} as const;
