import Stripe from 'stripe';
import { openTwin } from '../support/stripe-twin.ts';
import { accessCases, eventCases, placeOf } from './payments-account.suite.ts';
import { customerCases, idempotencyCases, refundCases } from './payments-money.suite.ts';
import { captureCases, confirmCases, intentCases, suiteOf } from './payments.suite.ts';
import type { StripeTarget } from './payments.suite.ts';

const SUITES = [
  ['payment intents', intentCases],
  ['confirming', confirmCases],
  ['capturing', captureCases],
  ['refunds', refundCases],
  ['idempotency keys', idempotencyCases],
  ['customers and payment methods', customerCases],
  ['events', eventCases],
  ['access', accessCases],
] as const;

async function openSimulator(): Promise<StripeTarget> {
  const twin = await openTwin();
  return {
    stripe: new Stripe(twin.account.secretKey, placeOf(twin.url)),
    twin,
    [Symbol.asyncDispose]: () => twin[Symbol.asyncDispose](),
  };
}

for (const [title, cases] of SUITES) suiteOf(title, { name: 'stripe-twin', open: openSimulator, isTwin: true }, cases);

const { STRIPE_TEST_KEY = '' } = process.env;
// Never with a key that takes money. Nothing is skipped where there is none: Stripe itself is not part of what is tested then.
if (/^(sk|rk)_test_/.test(STRIPE_TEST_KEY)) {
  const open = async (): Promise<StripeTarget> => ({
    stripe: new Stripe(STRIPE_TEST_KEY, { maxNetworkRetries: 2, telemetry: false }),
    async [Symbol.asyncDispose]() {},
  });
  for (const [title, cases] of SUITES) suiteOf(title, { name: 'Stripe in test mode', open, isTwin: false }, cases);
}
