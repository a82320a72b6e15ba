/** What the workflow that keeps a cart's time is started with. */
export interface CartRef {
  readonly tenantId: string;
  readonly kind: 'cart';
  readonly cartId: string;
  /** 1-based; a workflow that is not the cart's latest has nothing to do. */
  readonly keeper: number;
}

/** Signal of that workflow: something has changed that may be due earlier than what it sleeps for. */
export const LOOK_AGAIN = 'lookAgain';

/** What a buyer is told of a payment: it must be approved, was declined, or was refused by a bank that took its time. */
export type PaymentWord = 'payment_action' | 'payment_declined' | 'payment_failed';

/** A mail that a cart may lead to: a reminder by its place in the ladder, or word on the payment of its first order, or of a later one. */
export type CartStep = `reminder_${number}` | PaymentWord | `${PaymentWord}_${number}`;

/** What a look at a cart has found. */
export type CartLook =
  | { readonly isDone: true; readonly why: 'ordered' | 'emptied' | 'expired' | 'replaced' }
  /** Look again at this instant; before that, send the mail that is due now, if any. */
  | { readonly isDone: false; readonly nextAtMs: number; readonly waitsFor: string; readonly due?: CartStep };
