import type { ProblemKind } from '../problems.ts';

/** Errors of carts, payments and orders. */
export const CHECKOUT_PROBLEMS = {
  operation_begun_anew: {
    status: 409,
    title: 'This kind of work is begun anew rather than retried',
    retryable: false,
    why: 'Its terms may have changed since, so somebody must agree to them again.',
    fix: 'Begin it again by its own route: for an order, POST /v1/carts/{id}/checkout with the cart’s present `quoteHash`.',
  },
  cart_changed: {
    status: 409,
    title: 'The cart is not what was agreed to',
    retryable: false,
    why: 'Its lines, a price, tax or shipping changed since the quote with this `quoteHash` was made.',
    fix: 'Show the buyer `quote`, which is how it stands now, and send its `quoteHash`.',
  },
  cart_not_sellable: {
    status: 409,
    title: 'The cart can not be bought as it is',
    retryable: false,
    why: 'It is empty or costs nothing, or something in it is not sold, has no price in its currency or is sold out.',
    fix: 'Look at `quote.faults`, change the cart, and check out again.',
  },
  order_not_in_state: {
    status: 409,
    title: 'The order is in no state for this',
    retryable: false,
    why: 'What was asked makes sense in another state of the order only.',
    fix: 'Read the order by GET /v1/orders/{id}; `detail` says what it would have to be.',
  },
  refund_too_large: {
    status: 409,
    title: 'More would be given back than was taken',
    retryable: false,
    why: 'All refunds of an order together, also those under way, are at most what was taken for it.',
    fix: 'Ask for at most what `detail` names.',
  },
  invalid_signature: {
    status: 400,
    title: 'The signature does not hold',
    retryable: false,
    why: 'What is sent here must be signed, over the bytes of the body and within the last 5 minutes.',
    fix: 'Set STRIPE_WEBHOOK_SECRETS to the secret of the webhook endpoint that calls, and look at the clocks.',
  },
  cart_closed: {
    status: 409,
    title: 'The cart is closed',
    retryable: false,
    why: 'An order was made from it, or nobody touched it for so long that it has expired.',
    fix: 'Make a new cart by POST /v1/carts. When its order fails or is cancelled, a cart opens again by itself.',
  },
  cart_full: {
    status: 409,
    title: 'The cart has as many lines as it may have',
    retryable: false,
    why: 'A cart holds at most 50 different articles.',
    fix: 'Take something out, or make another cart.',
  },
  product_unavailable: {
    status: 422,
    title: 'This is not for sale',
    retryable: false,
    why: 'The catalogue knows no article of this name, or it is not sold any more.',
    fix: 'Use the `sku` of an article that GET /v1/products shows.',
  },
  price_missing: {
    status: 422,
    title: 'This is not sold in the currency of the cart',
    retryable: false,
    why: 'A cart has one currency, and the article has no price in it.',
    fix: 'Make a cart in one of the currencies that the article has a price in; GET /v1/products shows them.',
  },
  recovery_link_invalid: {
    status: 404,
    title: 'This link does not restore a cart',
    retryable: false,
    why: 'It is older than seven days, not complete or not ours, or the cart is gone.',
    fix: 'Open it from the mail once more, or begin a new cart.',
  },
  shop_closed: {
    status: 404,
    title: 'There is no demo shop here',
    retryable: false,
    why: 'The page /shop pays with test instruments, so it is only there while payments are simulated, and for a tenant that exists.',
    fix: 'Build your own shop on /v1/products, /v1/carts and /v1/orders; docs/checkout.md shows how.',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;
