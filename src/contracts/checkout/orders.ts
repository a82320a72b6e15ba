import * as z from 'zod';
import { Instant, Reason } from '../operation.ts';
import { MAX_PAGE_SIZE, PageQuery, pageOf } from '../routes.ts';
import { Amount, Currency, Money } from './money.ts';

export const ORDER_STATES = [
  'created',
  'needs_payment_method',
  'needs_action',
  'processing',
  'authorized',
  'paid',
  'partially_refunded',
  'refunded',
  'cancelled',
  'failed',
  'unknown',
] as const;
export type OrderState = (typeof ORDER_STATES)[number];

export const OrderStateSchema = z.enum(ORDER_STATES).meta({
  id: 'OrderState',
  description:
    '`created`: the payment is being set up. `needs_payment_method`: the buyer must pay, or pay in another way. `needs_action`: the buyer ' +
    'must approve the payment. `processing`: the bank takes its time. `authorized`: the money is reserved and waits for `capture`. ' +
    '`unknown`: what became of the payment could not be found out; a person must look.',
});

/** Id of a payment method that the provider’s form made in the browser; card numbers never come here. */
export const PaymentMethodId = z
  .string()
  .regex(/^[a-zA-Z][a-zA-Z0-9_]{2,99}$/, 'must be the id of a payment method such as pm_card_visa')
  .meta({ example: 'pm_card_visa' });

export const CaptureMethod = z.enum(['automatic', 'manual']).meta({
  id: 'CaptureMethod',
  description: '`manual`: the money is only reserved, until a person captures or voids it.',
});

export const CheckoutBody = z
  .strictObject({
    quoteHash: z.string().min(1).max(64).meta({ description: 'Of the quote that the buyer saw.' }),
    paymentMethod: PaymentMethodId.optional().meta({
      description: 'Pays with it at once. Without it the browser pays with `payment.clientSecret`, or POST …/payment names one later.',
    }),
    captureMethod: CaptureMethod.optional(),
  })
  .meta({ id: 'CheckoutBody' });

/** What an order is made of; the rest is read from the cart when it is accepted. */
export const OrderInput = z.strictObject({ cartId: z.uuid(), ...CheckoutBody.shape });
export type OrderInput = z.infer<typeof OrderInput>;

export const OrderResult = z.object({
  state: OrderStateSchema,
  paidAmount: z.int(),
  fulfilmentReference: z.string().optional(),
  receiptId: z.uuid().optional().meta({ description: 'The mail with the receipt.' }),
});
export type OrderResult = z.infer<typeof OrderResult>;

/** What the buyer’s browser needs to pay. */
export const OrderPayment = z
  .object({
    clientSecret: z.string().optional().meta({ description: 'For the provider’s form. There once the payment is set up.' }),
    publishableKey: z.string(),
    nextAction: z.object({ type: z.string(), url: z.string().optional() }).optional(),
    declined: z
      .object({ code: z.string(), message: z.string() })
      .optional()
      .meta({ description: 'Why the last try was refused, in words for the buyer.' }),
  })
  .meta({ id: 'OrderPayment' });

const OrderLine = z.object({
  sku: z.string(),
  name: z.string(),
  quantity: z.int(),
  unitAmount: z.int(),
  amount: z.int(),
  taxAmount: z.int(),
});
export type OrderLine = z.infer<typeof OrderLine>;

const StuckReason = z.object({
  reason: z.string(),
  since: Instant,
  about: z.string().optional().meta({ description: 'The payment at the provider that it is about, where that is not the order’s own.' }),
  untilRefunded: z.int().optional().meta({ description: 'It is settled once so much was given back in all.' }),
});
export type StuckReason = z.infer<typeof StuckReason>;

const OrderStuck = StuckReason.extend({
  others: z.array(StuckReason).readonly().optional().meta({ description: 'What came later, oldest first.' }),
}).meta({
  id: 'OrderStuck',
  description: 'A person must look: what had to be undone, could not be. It goes away with its cause; `reconcile` looks at once.',
});
export type OrderStuck = z.infer<typeof OrderStuck>;

export const Order = z
  .object({
    id: z.uuid(),
    object: z.literal('order'),
    createdAt: Instant,
    updatedAt: Instant,
    operationId: z.uuid(),
    cartId: z.uuid(),
    state: OrderStateSchema,
    currency: Currency,
    lines: z.array(OrderLine),
    shippingAmount: z.int(),
    taxAmount: z.int(),
    totalAmount: z.int(),
    authorizedAmount: z.int(),
    capturedAmount: z.int(),
    refundedAmount: z.int(),
    captureMethod: CaptureMethod,
    payment: OrderPayment,
    receiptId: z.uuid().optional(),
    fulfilmentReference: z.string().optional(),
    stuck: OrderStuck.optional(),
    ownerSubject: z.string().optional(),
  })
  .meta({ id: 'Order' });
export type Order = z.infer<typeof Order>;

export const OrderPage = pageOf(Order, 'OrderPage');

export const OrderQuery = z.object({
  ...PageQuery,
  limit: PageQuery.limit.meta({ description: `Orders in a page, at most ${MAX_PAGE_SIZE}.`, example: 50 }),
  state: OrderStateSchema.optional().meta({ description: 'Only orders in this state.', example: 'paid' }),
  cartId: z.uuid().optional().meta({ description: 'Only the orders of this cart.', example: '019ab6a0-7c00-7000-8000-000000000001' }),
  stuck: z.enum(['true', 'false']).optional().meta({ description: '`true`: only those that a person must look at.', example: 'false' }),
});

export const PaymentBody = z.strictObject({ paymentMethod: PaymentMethodId }).meta({ id: 'PaymentBody' });

/** Signal: take reserved money. */
export const OrderCapture = z
  .strictObject({
    amount: Amount.min(1).optional().meta({ description: 'All that is reserved when absent; what is not taken goes back to the buyer.' }),
    reason: Reason.shape.reason,
  })
  .meta({ id: 'OrderCapture' });

export const RefundReason = z.enum(['duplicate', 'fraudulent', 'requested_by_customer']);

export const RefundBody = z
  .strictObject({
    amount: Amount.min(1).optional().meta({ description: 'All that is left when absent.' }),
    reason: RefundReason.optional(),
  })
  .meta({ id: 'RefundBody' });

export const RefundInput = z.strictObject({ orderId: z.uuid(), ...RefundBody.shape });
export type RefundInput = z.infer<typeof RefundInput>;

export const RefundState = z.enum(['pending', 'succeeded', 'failed', 'cancelled', 'unknown']).meta({ id: 'RefundState' });
export type RefundState = z.infer<typeof RefundState>;

export const Refund = z
  .object({
    id: z.uuid(),
    object: z.literal('refund'),
    createdAt: Instant,
    updatedAt: Instant,
    orderId: z.uuid(),
    money: Money,
    state: RefundState,
    reason: RefundReason.optional(),
    failureReason: z.string().optional(),
  })
  .meta({ id: 'Refund' });
export type Refund = z.infer<typeof Refund>;

export const RefundPage = pageOf(Refund, 'RefundPage');

export const RefundResult = z.object({ state: RefundState, refundedAmount: z.int() });
