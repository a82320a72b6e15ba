import { type CartActivityDeps, createCartActivities } from './cart.ts';
import { createFulfilmentActivities, type FulfilmentActivityDeps } from './fulfilment.ts';
import { createOrderActivities } from './order.ts';
import { createPaymentActivities, type PaymentActivityDeps } from './payment.ts';
import { createRefundActivities } from './refund.ts';

export type CheckoutActivityDeps = PaymentActivityDeps & FulfilmentActivityDeps & CartActivityDeps;

/** Activities of checkout: `core` has the short steps in our own database, `payments` those that reach outside. */
export function createCheckoutActivities(deps: CheckoutActivityDeps) {
  const { openRefund, askRefund, requestRefund, ...refunds } = createRefundActivities(deps);
  return {
    core: { ...createOrderActivities(deps), ...createCartActivities(deps), openRefund, askRefund, requestRefund },
    payments: { ...createPaymentActivities(deps), ...refunds, ...createFulfilmentActivities(deps) },
  };
}

export type CheckoutActivities = ReturnType<typeof createCheckoutActivities>;
