import { ApplicationFailure } from '@temporalio/common';
import type { PaymentIntent, Refund } from '../../adapters/payments.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import { stepOf } from './order.ts';
import type { PaymentChange, PaymentParts } from './payment-effect.ts';
import { lookForIntent } from './payment-search.ts';

/** What changes at the provider are made with. */
export interface ChangeParts extends PaymentParts {
  /** Where buyers come back to after they approved a payment at their bank. */
  readonly returnUrl: string;
}

/** Undefined: the payment provider has nothing to do with it. */
export function changeOf(
  deps: ChangeParts,
  row: OrderRow,
  { run, step }: { readonly run: RunRef; readonly step: string },
): PaymentChange<PaymentIntent> | PaymentChange<Refund> | undefined {
  const [name, nth] = step.split('-');
  switch (name) {
    case 'intent':
      return intentChange(deps, row, run);
    case 'confirm':
      return confirmChange(deps, row, Number(nth));
    case 'capture':
      return captureChange(deps, row, { amount: undefined, nth: Number(nth ?? 1) });
    case 'void':
      return voidChange(deps, row);
    case 'undo':
      return undoChange(deps, row, Number(nth));
    default:
      return undefined;
  }
}

export function intentChange(deps: ChangeParts, row: OrderRow, run: RunRef): PaymentChange<PaymentIntent> {
  const { id: orderId, tenant_id: tenantId, currency, total_amount: amount, capture_method: captureMethod } = row;
  return {
    step: 'intent',
    terms: [amount, currency, captureMethod],
    call: (call) =>
      deps.payments.createIntent({
        ...call,
        owner: { tenantId, orderId },
        money: { amount, currency },
        captureMethod,
        description: `Order ${orderId}`,
      }),
    look: (key, effect) => lookForIntent(deps, { ...stepOf(run), key, effect }),
    happened: () => true,
  };
}

export function confirmChange({ payments, returnUrl }: ChangeParts, row: OrderRow, paymentTry: number): PaymentChange<PaymentIntent> {
  const intentId = intentIdOf(row);
  const paymentMethod = row.payment_method;
  return {
    step: `confirm-${paymentTry}`,
    terms: [intentId, paymentTry],
    call: (call) => payments.confirmIntent({ ...call, intentId, returnUrl, ...(paymentMethod === null ? {} : { paymentMethod }) }),
    look: () => payments.retrieveIntent(intentId),
    // A payment that waits for a method may have been declined by this call: the same key gets the same answer, and no money is taken twice.
    happened: ({ status }) => status !== 'needs_payment_method' && status !== 'needs_confirmation',
  };
}

interface CapturePlan {
  readonly amount: number | undefined;
  /** From 1; one more after each that the provider refused. */
  readonly nth: number;
}

export function captureChange({ payments }: ChangeParts, row: OrderRow, { amount, nth }: CapturePlan): PaymentChange<PaymentIntent> {
  const intentId = intentIdOf(row);
  return {
    step: nth === 1 ? 'capture' : `capture-${nth}`,
    terms: [intentId, amount ?? null],
    call: (call) => payments.captureIntent({ ...call, intentId, ...(amount === undefined ? {} : { amount }) }),
    look: () => payments.retrieveIntent(intentId),
    happened: ({ receivedAmount }) => receivedAmount > 0,
  };
}

export function voidChange({ payments }: ChangeParts, row: OrderRow): PaymentChange<PaymentIntent> {
  const intentId = intentIdOf(row);
  return {
    step: 'void',
    terms: [intentId],
    call: (call) => payments.cancelIntent({ ...call, intentId }),
    look: () => payments.retrieveIntent(intentId),
    happened: ({ status }) => status === 'cancelled',
  };
}

export function undoChange({ payments }: ChangeParts, row: OrderRow, nth: number): PaymentChange<Refund> {
  const intentId = intentIdOf(row);
  const owner = { tenantId: row.tenant_id, orderId: row.id };
  return refundChange(payments, {
    step: `undo-${nth}`,
    terms: [intentId],
    create: { owner, intentId, reason: 'requested_by_customer' },
  });
}

interface RefundPlan {
  readonly step: string;
  readonly terms: readonly (string | number | null)[];
  readonly create: Omit<Parameters<PaymentParts['payments']['createRefund']>[0], 'key'>;
}

/** A refund as a change at the provider, found again by its key. */
export function refundChange(payments: PaymentParts['payments'], { step, terms, create }: RefundPlan): PaymentChange<Refund> {
  return {
    step,
    terms,
    call: (call) => payments.createRefund({ ...call, ...create }),
    async look(key) {
      let after: string | undefined;
      do {
        const answer = await payments.listRefunds({ intentId: create.intentId, ...(after === undefined ? {} : { after }) });
        if (answer.outcome !== 'found') return answer;
        const value = answer.value.items.find((refund) => refund.key === key);
        if (value !== undefined) return { outcome: 'found', value };
        after = answer.value.next;
      } while (after !== undefined);
      return { outcome: 'absent' };
    },
    happened: () => true,
  };
}

export function intentIdOf({ intent_id: id }: OrderRow): string {
  if (id === null) throw ApplicationFailure.retryable('The payment is not known yet.', 'OutsideUnavailable');
  return id;
}
