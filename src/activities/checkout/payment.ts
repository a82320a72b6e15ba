import { ApplicationFailure } from '@temporalio/common';
import type { PaymentIntent, Refund } from '../../adapters/payments.ts';
import { type OrderView, PAYMENT_MISSING } from '../../contracts/pure/checkout.ts';
import { fractionProblem } from '../../contracts/currencies.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import { type OrderActivityDeps, stepOf } from './order.ts';
import {
  captureChange,
  type ChangeParts,
  changeOf,
  confirmChange,
  intentChange,
  intentIdOf,
  undoChange,
  voidChange,
} from './payment-changes.ts';
import { changePayment, type PaymentChange, providerKey, settleChange } from './payment-effect.ts';
import { noteRefusal } from './refusals.ts';
import type { PaymentSync } from './sync.ts';

export interface PaymentActivityDeps extends ChangeParts, OrderActivityDeps {
  readonly sync: PaymentSync;
}

export interface PaymentRun {
  readonly run: RunRef;
}

export interface ConfirmRequest {
  readonly run: RunRef;
  readonly paymentTry: number;
}

export interface CaptureRequest {
  readonly run: RunRef;
  /** All that is authorized when absent. */
  readonly amount?: number;
  readonly actor?: string;
}

export interface UndoRequest {
  readonly run: RunRef;
  /** From 1; one more after each refund that failed. */
  readonly nth: number;
}

export interface Undone {
  readonly view: OrderView;
  /** The provider says that the money can't go back. */
  readonly hasFailed: boolean;
}

const MAX_UNDOS = 100;

/** Steps of an order’s payment at the provider, each safe to repeat. All answer how the order stands afterwards. */
export function createPaymentActivities(deps: PaymentActivityDeps) {
  return {
    /** Makes the payment known to the provider, without taking any money. */
    createPayment: ({ run }: PaymentRun) => withHeartbeat(() => createPayment(deps, run)),
    /** How the payment stands, read anew. */
    readPayment: ({ run }: PaymentRun) => readPayment(deps, run),
    /** Pays with what the buyer named. A decline is an answer: the buyer may name something else. */
    confirmPayment: (request: ConfirmRequest) => withHeartbeat(() => confirmPayment(deps, request)),
    /** Takes what is reserved. */
    capturePayment: (request: CaptureRequest) => withHeartbeat(() => capturePayment(deps, request)),
    /** Takes the payment back as long as no money was taken; whether it was, the answer tells. */
    voidPayment: ({ run }: PaymentRun) => withHeartbeat(() => voidPayment(deps, run)),
    /** Finds out what became of steps whose process died before it was known. Begins nothing. */
    settlePayment: ({ run }: PaymentRun) =>
      withHeartbeat(async () => ({ settled: await settleBegun(deps, run, await orderOf(deps, run)) })),
    /** Gives everything back that was taken and is not given back yet. */
    undoPayment: (request: UndoRequest) => withHeartbeat(() => undoPayment(deps, request)),
  };
}

async function readPayment({ sync, store, viewOf }: PaymentActivityDeps, run: RunRef): Promise<OrderView> {
  const synced = await sync.syncOrder({ ...stepOf(run), tellsWorkflow: false });
  if (synced.order === undefined || synced.outcome === 'unavailable') throw unavailable();
  if (synced.outcome === 'foreign') return viewOf(await store.checkout.orders.stuck(stepOf(run), PAYMENT_MISSING));
  return viewOf(synced.order.stuck === null ? synced.order : await store.checkout.orders.resumed(stepOf(run)));
}

async function orderOf({ store }: PaymentActivityDeps, run: RunRef): Promise<OrderRow> {
  const row = await store.checkout.orders.get(run.tenantId, run.rootId);
  if (row === undefined) throw ApplicationFailure.nonRetryable('The order does not exist.', 'NotOpen');
  return row;
}

async function createPayment(deps: PaymentActivityDeps, run: RunRef): Promise<OrderView> {
  const row = await orderOf(deps, run);
  if (row.intent_id !== null) return known(deps, run, row);
  const changed = await changePayment(deps, run, intentChange(deps, row, run));
  if (changed.outcome !== 'done') throw refusedByProvider();
  return deps.viewOf(await makeKnown(deps, row, { run, value: changed.value }));
}

interface Made {
  readonly run: RunRef;
  /** Absent: an earlier attempt made it, and died before it was known. */
  readonly value: PaymentIntent | undefined;
}

async function makeKnown(deps: PaymentActivityDeps, row: OrderRow, { run, value }: Made): Promise<OrderRow> {
  const intent = value ?? (await findIntent(deps, row, run));
  return (await deps.sync.makeKnown({ ...stepOf(run), tellsWorkflow: false }, intent)) ?? row;
}

async function findIntent(deps: PaymentActivityDeps, row: OrderRow, run: RunRef): Promise<PaymentIntent> {
  const effect = (await deps.store.effects.ofRoot(row.tenant_id, row.id)).find(({ step }) => step === 'intent');
  const answer = effect === undefined ? undefined : await intentChange(deps, row, run).look(providerKey(effect), effect);
  if (answer?.outcome !== 'found') throw unavailable();
  return answer.value;
}

async function confirmPayment(deps: PaymentActivityDeps, { run, paymentTry }: ConfirmRequest): Promise<OrderView> {
  const row = await orderOf(deps, run);
  if (row.confirmed_try >= paymentTry) return known(deps, run, row);
  const changed = await changePayment(deps, run, confirmChange(deps, row, paymentTry));
  const isUseless = changed.outcome === 'refused' && changed.refusal.kind !== 'declined';
  const decline = isUseless ? { code: changed.refusal.code, text: changed.refusal.text } : undefined;
  if (decline === undefined) await readPayment(deps, run);
  return deps.viewOf(await deps.store.checkout.orders.confirmed(stepOf(run), paymentTry, decline));
}

async function capturePayment(deps: PaymentActivityDeps, { run, amount, actor }: CaptureRequest): Promise<OrderView> {
  const row = await orderOf(deps, run);
  if (row.captured_amount > 0) return known(deps, run, row);
  const why = amount === undefined ? undefined : captureFault(row, amount);
  if (why !== undefined) {
    await noteRefusal(deps.store, { ...stepOf(run), what: 'capture', asked: { actor }, why });
    return deps.viewOf(row);
  }
  // What the provider refused for good must not stand in the way of another amount, or of the same one at another time.
  const refused = (await deps.store.effects.ofRoot(run.tenantId, run.rootId)).filter(
    ({ step, state }) => state === 'refused' && step.split('-')[0] === 'capture',
  );
  await changePayment(deps, run, captureChange(deps, row, { amount, nth: refused.length + 1 }));
  return readPayment(deps, run);
}

function captureFault(row: OrderRow, amount: number): 'too_large' | 'odd_amount' | undefined {
  if (amount > row.authorized_amount) return 'too_large';
  return fractionProblem(amount, row.currency) === undefined ? undefined : 'odd_amount';
}

async function voidPayment(deps: PaymentActivityDeps, run: RunRef): Promise<OrderView> {
  const row = await orderOf(deps, run);
  if (row.intent_id === null) {
    const settled = await settleChange(deps, run, intentChange(deps, row, run));
    // Nothing was ever made, so there is nothing to take back.
    if (settled?.outcome !== 'done') return deps.viewOf(row);
  }
  const made = row.intent_id === null ? await makeKnown(deps, row, { run, value: undefined }) : row;
  if (made.intent_status === 'cancelled' || made.captured_amount > 0) return known(deps, run, made);
  await changePayment(deps, run, voidChange(deps, made));
  await settleBegun(deps, run, made);
  return readPayment(deps, run);
}

/**
 * Somebody else has told before the attempt that did it could. What was begun here and never heard of is found out, or it would make the
 * end of the order unknown.
 */
async function known(deps: PaymentActivityDeps, run: RunRef, row: OrderRow): Promise<OrderView> {
  await settleBegun(deps, run, row);
  return deps.viewOf(row);
}

/** How many steps were found that nobody knew the end of. */
async function settleBegun(deps: PaymentActivityDeps, run: RunRef, row: OrderRow): Promise<number> {
  const begun = (await deps.store.effects.ofRoot(run.tenantId, run.rootId)).filter(({ state }) => state === 'sending');
  const changes = begun.flatMap(({ step }) => changeOf(deps, row, { run, step }) ?? []);
  for (const change of changes) await settleChange<PaymentIntent | Refund>(deps, run, change as PaymentChange<PaymentIntent | Refund>);
  return changes.length;
}

async function undoPayment(deps: PaymentActivityDeps, { run, nth }: UndoRequest): Promise<Undone> {
  const { store, sync } = deps;
  const row = await orderOf(deps, run);
  if (row.captured_amount <= row.refunded_amount) return { view: deps.viewOf(row), hasFailed: false };
  const changed = await changePayment(deps, run, undoChange(deps, row, nth));
  const at = stepOf(run);
  if (changed.outcome === 'done' && changed.value !== undefined)
    await store.checkout.payments.applyRefund({ ...at, refund: changed.value });
  await sync.syncRefunds({ ...at, tellsWorkflow: false }, intentIdOf(row));
  const view = await readPayment(deps, run);
  const refunds = await store.checkout.refunds.list(at.tenantId, at.orderId, { limit: MAX_UNDOS });
  const last = refunds.find(({ cause }) => cause === 'undo');
  return { view, hasFailed: changed.outcome !== 'done' || last?.state === 'failed' || last?.state === 'cancelled' };
}

function unavailable(): ApplicationFailure {
  return ApplicationFailure.retryable('The payment provider can not be reached.', 'OutsideUnavailable');
}

function refusedByProvider(): ApplicationFailure {
  return ApplicationFailure.nonRetryable('The payment provider takes no payment on these terms.', 'Rejected');
}
