import { CancellationScope, defineSignal, setHandler, workflowInfo } from '@temporalio/workflow';
import { ORDER_SIGNALS } from '../../contracts/pure/checkout.ts';
import type { Asked } from '../../contracts/pure/messages.ts';
import type { OperationRef, RunRef } from '../../contracts/pure/operations.ts';
import { core } from './steps.ts';

export interface CaptureAsked extends Asked {
  /** All that is authorized when absent. */
  readonly amount?: number;
}

export interface RefundAsked extends Asked {
  /** The same refund again has the same id; what has none is the one refund of its amount. */
  readonly id?: string;
  /** All that is left when absent. */
  readonly amount?: number;
}

export const pay = defineSignal<[Asked]>(ORDER_SIGNALS.pay);
export const paymentChanged = defineSignal<[Asked]>(ORDER_SIGNALS.paymentChanged);
export const approve = defineSignal<[Asked]>(ORDER_SIGNALS.approve);
export const voidPayment = defineSignal<[Asked]>(ORDER_SIGNALS.voidPayment);
export const capture = defineSignal<[CaptureAsked]>(ORDER_SIGNALS.capture);
export const reconcile = defineSignal<[Asked]>(ORDER_SIGNALS.reconcile);
export const refundOrder = defineSignal<[RefundAsked]>(ORDER_SIGNALS.refund);

/** What people and the provider have asked of an order and what was not acted on yet. */
export interface OrderInbox {
  /** Something was heard of the payment, or the buyer pays. */
  isNews: boolean;
  isReadAsked: boolean;
  isApproved: boolean;
  isVoidAsked: boolean;
  captureAsked: { readonly amount?: number; readonly actor?: string } | undefined;
}

/**
 * Sets the handlers of an order’s signals. Each only notes what was asked, so the same signal twice is one; a refund is work of its own.
 * @param left what the run before had not acted on
 */
export function createOrderInbox(ref: OperationRef, left: Partial<OrderInbox> = {}): OrderInbox {
  const inbox: OrderInbox = { isNews: false, isReadAsked: false, isApproved: false, isVoidAsked: false, captureAsked: undefined, ...left };
  const now = (): RunRef => ({ ...ref, runId: workflowInfo().runId, nowMs: Date.now() });
  const news = (): void => {
    inbox.isNews = true;
  };
  setHandler(pay, news, { description: 'The buyer named a payment method.' });
  setHandler(paymentChanged, news, { description: 'Something was heard of the payment.' });
  setHandler(
    approve,
    () => {
      inbox.isApproved = true;
    },
    { description: 'A person says yes: reserved money is taken, a held order is shipped.' },
  );
  setHandler(
    voidPayment,
    () => {
      inbox.isVoidAsked = true;
    },
    { description: 'A person says no: the payment is taken back and the order ends.' },
  );
  setHandler(
    capture,
    async (asked) => {
      if (isCapture(asked ?? {})) inbox.captureAsked = captureOf(asked);
      else await CancellationScope.nonCancellable(() => core.refuseCapture({ run: now(), asked }));
    },
    { description: 'Take reserved money: {"amount": …} or all of it.' },
  );
  setHandler(
    reconcile,
    () => {
      inbox.isReadAsked = true;
    },
    { description: 'Read the payment at the provider now, and try again what is stuck.' },
  );
  setHandler(
    refundOrder,
    async (asked) => {
      await CancellationScope.nonCancellable(() => core.askRefund({ run: now(), asked: asked ?? {} }));
    },
    { description: 'Give money back: {"amount": …} or all that is left. With another {"id": …} the same amount once more.' },
  );
  return inbox;
}

/** The CLI may send anything. What is not understood must not be taken for all there is. */
function isCapture(asked: unknown): boolean {
  if (typeof asked !== 'object' || asked === null) return false;
  return !('amount' in asked) || (typeof asked.amount === 'number' && Number.isSafeInteger(asked.amount) && asked.amount > 0);
}

function captureOf(asked: CaptureAsked | undefined): NonNullable<OrderInbox['captureAsked']> {
  const { amount, actor } = asked ?? {};
  return { ...(amount === undefined ? {} : { amount }), ...(actor === undefined ? {} : { actor }) };
}
