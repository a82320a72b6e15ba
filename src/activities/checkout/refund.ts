import { ApplicationFailure } from '@temporalio/common';
import * as z from 'zod';
import type { Answer, Refund } from '../../adapters/payments.ts';
import { REFUND_STEP } from '../../contracts/pure/checkout.ts';
import type { Opened, RunRef } from '../../contracts/pure/operations.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { RefundInput, RefundState } from '../../contracts/checkout/orders.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import type { RefundRow } from '../../store/checkout/refund-rows.ts';
import type { Store } from '../../store/index.ts';
import { readAsked } from '../lib/asked.ts';
import { refundChange } from './payment-changes.ts';
import { changePayment, type PaymentChange, type PaymentParts, providerKey, settleChange } from './payment-effect.ts';
import { noteRefusal } from './refusals.ts';
import type { PaymentSync } from './sync.ts';

/** What a refund’s workflow decides by. */
export interface RefundView {
  readonly state: RefundState;
  readonly amount: number;
  /** Whether it was given to the provider. */
  readonly isBegun: boolean;
  readonly failureReason: string | null;
}

export interface RefundActivityDeps extends PaymentParts {
  readonly sync: PaymentSync;
}

export interface RefundRun {
  readonly run: RunRef;
}

export interface AskedRefund {
  readonly run: RunRef;
  /** As it was sent, by whatever tool. */
  readonly asked: unknown;
}

export interface RequestedRefund {
  /** As it was sent, by whatever tool. */
  readonly asked: unknown;
  readonly nowMs: number;
}

const OrderNamed = z.object({ tenantId: z.string().min(1), orderId: z.uuid() });
const Asking = z.object({ id: z.string().min(1).max(100).optional(), amount: z.int().min(1).optional() });

/** Giving money back that a person asked to give back. */
export function createRefundActivities(deps: RefundActivityDeps) {
  return {
    /** Opens it, and puts the amount aside once more when an earlier attempt had given it up. */
    openRefund: (run: RunRef) => openRefund(deps, run),
    /** Accepts a refund that somebody asked the order’s workflow for; once for each id, whatever is repeated or reset. */
    askRefund: async ({ run: { tenantId, rootId: orderId, nowMs }, asked }: AskedRefund) => {
      const { outcome } = await askRefund(deps, { tenantId, orderId, nowMs, asked });
      return { outcome };
    },
    /** The same for an order that is named along with it, whose workflow may have ended. @throws ApplicationFailure Rejected */
    requestRefund: (request: RequestedRefund) => requestRefund(deps, request),
    /** Gives it to the provider, and answers how it stands. */
    refundPayment: ({ run }: RefundRun) => withHeartbeat(() => refundPayment(deps, run)),
    /** After a cancel: whether it was begun, and if not, that it never will be. */
    giveUpRefund: ({ run }: RefundRun) => withHeartbeat(() => giveUpRefund(deps, run)),
    /** How it stands at the provider. */
    readRefund: ({ run }: RefundRun) => readRefund(deps, run),
  };
}

interface Asked {
  readonly tenantId: string;
  readonly orderId: string;
  readonly nowMs: number;
  readonly asked: unknown;
}

type RefundAsked = { readonly outcome: 'accepted'; readonly refundId: string } | { readonly outcome: Refused['why'] };

async function askRefund({ store }: RefundActivityDeps, { tenantId, orderId, nowMs, asked }: Asked): Promise<RefundAsked> {
  const { actor } = readAsked(asked);
  const now = new Date(nowMs);
  const read = Asking.safeParse(asked);
  if (!read.success) return refuse(store, { tenantId, orderId, asked, now, why: 'not_understood' });
  const { id, amount } = read.data;
  const key = `signal:${orderId}:${id ?? `amount-${amount ?? 'rest'}`}`;
  const accepted = await store.checkout.acceptRefund({
    ...{ tenantId, kind: KINDS.refund, start: {}, actor: { actor }, now, idempotency: { key, digest: `${key}:${amount ?? 'rest'}` } },
    input: { orderId, reason: 'requested_by_customer', ...(amount === undefined ? {} : { amount }) },
  });
  if (!('operation' in accepted)) return refuse(store, { tenantId, orderId, asked, now, why: accepted.outcome });
  return { outcome: 'accepted', refundId: accepted.operation.id };
}

async function requestRefund(deps: RefundActivityDeps, { asked, nowMs }: RequestedRefund): Promise<{ readonly refundId: string }> {
  const named = OrderNamed.safeParse(asked);
  const order = named.success ? await deps.store.checkout.orders.get(named.data.tenantId, named.data.orderId) : undefined;
  if (order === undefined) throw ApplicationFailure.nonRetryable('There is no such order: give its tenantId and orderId.', 'Rejected');
  const answer = await askRefund(deps, { tenantId: order.tenant_id, orderId: order.id, nowMs, asked });
  if ('refundId' in answer) return { refundId: answer.refundId };
  throw ApplicationFailure.nonRetryable(WHY_NOT[answer.outcome], 'Rejected');
}

const WHY_NOT: Readonly<Record<Refused['why'], string>> = {
  not_understood: 'The refund is not understood: amount is a whole number of the smallest unit, id a short text.',
  too_large: 'Not so much is left of the payment.',
  odd_amount: 'The currency has no such fractions: Stripe takes multiples of 10 or 100 of some.',
  no_order: 'There is no such order.',
  mismatch: 'Another refund has this id.',
};

interface Refused {
  readonly tenantId: string;
  readonly orderId: string;
  readonly asked: unknown;
  readonly now: Date;
  readonly why: 'not_understood' | 'too_large' | 'odd_amount' | 'no_order' | 'mismatch';
}

async function refuse(store: Store, refused: Refused): Promise<RefundAsked> {
  await noteRefusal(store, { ...refused, what: 'refund' });
  return { outcome: refused.why };
}

async function openRefund({ store }: RefundActivityDeps, run: RunRef): Promise<Opened<RefundView>> {
  const opened = await store.lifecycle.open(run);
  if (!opened.opened) return opened;
  // Checked against the kind’s schema when it was accepted.
  const { orderId, amount, reason } = opened.value.input as RefundInput;
  const now = new Date(run.nowMs);
  const reserved = await store.checkout.refunds.reserve({ tenantId: run.tenantId, orderId, id: run.rootId, amount, reason, now });
  if (reserved.outcome !== 'reserved') throw ApplicationFailure.nonRetryable('Not so much is left of the payment.', 'Rejected');
  return { opened: true, value: viewOf(reserved.refund) };
}

async function refundPayment(deps: RefundActivityDeps, run: RunRef): Promise<RefundView> {
  const { refund, change } = await planOf(deps, run);
  if (refund.provider_id !== null) {
    // The provider told us of it before the attempt that made it could.
    await settleChange(deps, run, change);
    return readRefund(deps, run);
  }
  const changed = await changePayment(deps, run, change);
  if (changed.outcome === 'done')
    return changed.value === undefined ? readRefund(deps, run) : book(deps, run, { refund, value: changed.value });
  const failureReason = changed.outcome === 'refused' ? changed.refusal.code : 'not_refundable';
  await deps.store.checkout.refunds.settle(run.tenantId, refund.id, { state: 'failed', failureReason, now: new Date(run.nowMs) });
  return viewOf(await rowOf(deps, run));
}

async function giveUpRefund(deps: RefundActivityDeps, run: RunRef): Promise<RefundView> {
  const { refund, change } = await planOf(deps, run);
  if (refund.provider_id !== null) return readRefund(deps, run);
  const settled = await settleChange(deps, run, change);
  if (settled?.outcome === 'done')
    return settled.value === undefined ? readRefund(deps, run) : book(deps, run, { refund, value: settled.value });
  await deps.store.checkout.refunds.settle(run.tenantId, refund.id, { state: 'cancelled', now: new Date(run.nowMs) });
  return viewOf(await rowOf(deps, run));
}

async function readRefund(deps: RefundActivityDeps, run: RunRef): Promise<RefundView> {
  const { refund, change } = await planOf(deps, run);
  const answer = refund.provider_id === null ? await findRefund(deps, run, change) : await deps.payments.retrieveRefund(refund.provider_id);
  if (refund.provider_id !== null && (answer?.outcome === 'absent' || answer?.outcome === 'foreign'))
    return { ...viewOf(refund), state: 'unknown' };
  if (answer?.outcome !== 'found') throw ApplicationFailure.retryable('The refund can not be read.', 'OutsideUnavailable');
  return book(deps, run, { refund, value: answer.value });
}

/** An earlier attempt made it, and died before it was known. */
async function findRefund({ store }: RefundActivityDeps, run: RunRef, change: PaymentChange<Refund>): Promise<Answer<Refund> | undefined> {
  const effect = (await store.effects.ofRoot(run.tenantId, run.rootId)).find(({ step }) => step === change.step);
  return effect === undefined ? undefined : change.look(providerKey(effect), effect);
}

interface Booking {
  readonly refund: RefundRow;
  readonly value: Refund;
}

async function book(deps: RefundActivityDeps, run: RunRef, { refund, value }: Booking): Promise<RefundView> {
  const request = { tenantId: run.tenantId, orderId: refund.order_id, now: new Date(run.nowMs) };
  await deps.store.checkout.payments.applyRefund({ ...request, refund: value });
  await deps.sync.syncOrder({ ...request, tellsWorkflow: true });
  return viewOf(await rowOf(deps, run));
}

async function rowOf({ store }: RefundActivityDeps, run: RunRef): Promise<RefundRow> {
  const refund = await store.checkout.refunds.get(run.tenantId, run.rootId);
  if (refund === undefined) throw ApplicationFailure.nonRetryable('The refund does not exist.', 'NotOpen');
  return refund;
}

async function planOf(deps: RefundActivityDeps, run: RunRef) {
  const refund = await rowOf(deps, run);
  const order = await deps.store.checkout.orders.get(run.tenantId, refund.order_id);
  const intentId = order?.intent_id;
  if (intentId === undefined || intentId === null) throw ApplicationFailure.nonRetryable('The order has no payment.', 'Rejected');
  const reason = refund.reason === 'duplicate' || refund.reason === 'fraudulent' ? refund.reason : 'requested_by_customer';
  const owner = { tenantId: run.tenantId, orderId: refund.order_id };
  const { amount } = refund;
  const create = { owner, intentId, amount, reason } as const;
  return { refund, change: refundChange(deps.payments, { step: REFUND_STEP, terms: [intentId, amount], create }) };
}

function viewOf({ state, amount, provider_id: providerId, failure_reason: failureReason }: RefundRow): RefundView {
  return { state, amount, isBegun: providerId !== null, failureReason };
}
