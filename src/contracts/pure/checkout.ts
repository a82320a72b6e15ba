/** Signals of an order’s workflow, beside those that every operation understands. */
export const ORDER_SIGNALS = {
  /** The buyer named a payment method. */
  pay: 'pay',
  /** Something was heard of the payment. */
  paymentChanged: 'paymentChanged',
  approve: 'approve',
  voidPayment: 'void',
  capture: 'capture',
  reconcile: 'reconcile',
  /** For the `temporal` CLI; over HTTP a refund is an operation of its own. */
  refund: 'refund',
} as const;

/** Why an order needs a person whose payment the provider does not know. */
export const PAYMENT_MISSING = 'payment_missing';

/** Why an order needs a person whose payment may be among more than can be searched through. */
export const PAYMENT_UNFOUND = 'payment_unfound';

/** What an order’s workflow decides by. Neither names nor addresses nor what was bought. */
export interface OrderView {
  readonly state: string;
  /** The payment’s status as it was last read; null before it was set up. */
  readonly intentStatus: string | null;
  readonly captureMethod: 'automatic' | 'manual';
  readonly capturedAmount: number;
  readonly refundedAmount: number;
  readonly totalAmount: number;
  /** Tries at paying that the buyer asked for, and those that were given to the provider. */
  readonly paymentTry: number;
  readonly confirmedTry: number;
  /** Until when the buyer may take. */
  readonly payUntilMs: number;
  /** Until when reserved money can be taken. */
  readonly captureBeforeMs: number | null;
  /** Since when the provider says that it has no such payment. */
  readonly missingSinceMs?: number;
}

/** Step of the effect by which a refund that was asked for is made; its root is the refund’s own operation. */
export const REFUND_STEP = 'refund';

/** How the ids of our rows are written. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether this can name an order of ours. What a payment says of itself at the provider may have been written by anybody. */
export function isOrderId(text: string): boolean {
  return UUID.test(text);
}

/**
 * Which of our rows a refund of this order’s payment belongs to, as its business key says: one that was asked for, or one that undoes the
 * order; one without a key, with one that we never give, or with another order’s was made elsewhere.
 */
export function refundOfKey(
  key: string,
  orderId: string,
): { readonly cause: 'asked'; readonly refundId: string } | { readonly cause: 'undo' | 'outside' } {
  const [rootId = '', step = ''] = key.split('/');
  if (UUID.test(rootId) && step.startsWith(`${REFUND_STEP}#`)) return { cause: 'asked', refundId: rootId };
  return { cause: rootId === orderId ? 'undo' : 'outside' };
}
