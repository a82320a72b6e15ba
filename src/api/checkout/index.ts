import type { FeatureApi } from '../lib/context.ts';
import { acceptOrder, acceptRefund } from './accepting.ts';
import { cartRoutes } from './carts.ts';
import { orderVerbRoutes } from './order-verbs.ts';
import { orderRoutes } from './orders.ts';
import { productRoutes } from './products.ts';
import { recoveryRoutes } from './recovery.ts';
import { refundRoutes } from './refunds.ts';
import { shippingRoutes } from './shipping.ts';
import { mountShop, shopRoutes } from './shop.ts';
import { strayPaymentRoutes } from './stray-payments.ts';
import { stripeHookRoutes } from './stripe-hook.ts';

export const checkoutApi: FeatureApi = {
  routes: (ctx) => [
    ...productRoutes(ctx),
    ...shippingRoutes(ctx),
    ...cartRoutes(ctx),
    ...recoveryRoutes(ctx),
    ...shopRoutes(ctx),
    ...orderRoutes(ctx),
    ...orderVerbRoutes(ctx),
    ...refundRoutes(ctx),
    ...strayPaymentRoutes(ctx),
    ...stripeHookRoutes(ctx),
  ],
  mountPages: mountShop,
  accept: { order: acceptOrder, refund: acceptRefund },
};
