import { allHandlersFinished, CancellationScope, condition, continueAsNew, isCancellation, TemporalFailure } from '@temporalio/workflow';
import type { OrderView } from '../../contracts/pure/checkout.ts';
import type { OperationRef, Outcome } from '../../contracts/pure/operations.ts';
import { describeFailure, isCutShort, runOperation } from '../lib/operation.ts';
import { isRunFull } from '../lib/run-length.ts';
import { createOrderInbox, type OrderInbox } from './order-inbox.ts';
import { awaitNews, findUntilMs, type OrderWork } from './order-waiting.ts';
import { core, FOREVER_MS, outside, readAfterMs } from './steps.ts';

/** Reserved money is given up on this long before its time is over. */
const CAPTURE_MARGIN_MS = 3_600_000; // 1 h
/** How long pieces are kept for a bank that takes its time, or a person; begun anew while it lasts. */
const KEEP_STOCK_MS = 30 * 86_400_000; // 30 days

/** Who ships may be away for days, and a history must not grow too long by that; `reconcile` tries at once. */
const MAX_HAND_OVER_PAUSE_MS = 10 * 60_000; // 10 min
/** Undoing waits for a bank for up to two weeks: as long as usual between readings for the first hour, and then longer. */
const FIRST_ROUNDS = 15;
const LATER_PAUSE_MS = 30 * 60_000; // 30 min

/** Why an order comes to nothing, or to nobody knows what. */
interface Ending {
  readonly state: 'cancelled' | 'failed' | 'unknown';
  readonly code: string;
  readonly message: string;
  /** Whether money that was taken meanwhile goes back; else the payment was faster than the ending, and the order goes on. */
  readonly givesBack: boolean;
}

class OrderEnd extends Error {
  override readonly name = 'OrderEnd';
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(ending.message);
    this.ending = ending;
  }
}

/**
 * An order from its payment to its receipt. Signals: pay, paymentChanged, approve, void, capture, refund, reconcile; pause, resume.
 *
 * The payment is read at the provider after 5, 20 and 60 s and then every 5 min, so that the order ends right without any word from
 * there. What ends it early undoes in the order of money, stock, cart: what can't be undone stays open and is listed as stuck.
 */
export async function order(ref: OperationRef, left?: OrderInbox) {
  const inbox = createOrderInbox(ref, left);
  return runOperation<OrderView>(ref, {
    open: core.openOrder,
    run: (first, control) => sell(first, { control, inbox }, ref),
    settle: async (run) => {
      await outside.settlePayment({ run });
    },
  });
}

async function sell(first: OrderView, work: OrderWork, ref: OperationRef): Promise<Outcome> {
  let ending: Ending;
  try {
    const paid = await takePayment(first, work, ref);
    // From here on a cancel comes too late.
    return await CancellationScope.nonCancellable(() => deliver(paid, work));
  } catch (error) {
    ending = endingOf(error);
  }
  return CancellationScope.nonCancellable(async () => {
    try {
      return await undo(ending, work);
    } catch (error) {
      if (error instanceof OrderEnd && error.ending.state === 'unknown') return leave(error.ending, work);
      throw error;
    }
  });
}

/** What can't be found out can't be undone: it stays as it is, listed for a person. */
async function leave({ code, message }: Ending, { control }: OrderWork): Promise<Outcome> {
  await core.leaveOrder({ run: control.run() });
  return { status: 'unknown', error: { code, message, retryable: false } };
}

async function takePayment(first: OrderView, work: OrderWork, ref: OperationRef): Promise<OrderView> {
  const { control } = work;
  let view = first.intentStatus === null ? await outside.createPayment({ run: control.run() }) : first;
  while (view.capturedAmount === 0) {
    await control.checkpoint();
    if (work.inbox.isVoidAsked) throw new OrderEnd(voided());
    if (isRunFull()) await goOn(ref, work.inbox);
    view = await step(view, work);
  }
  return view;
}

/** In another run, which knows what was asked of this one. */
async function goOn(ref: OperationRef, inbox: OrderInbox): Promise<void> {
  await condition(allHandlersFinished);
  await continueAsNew<typeof order>(ref, { ...inbox });
}

/** What comes next for a payment that stands so. */
async function step(view: OrderView, work: OrderWork): Promise<OrderView> {
  const untilMs = findUntilMs(view);
  if (untilMs !== undefined) return awaitFinding(view, work, untilMs);
  switch (view.intentStatus) {
    case 'needs_payment_method':
    case 'needs_confirmation':
      if (view.paymentTry > view.confirmedTry) return outside.confirmPayment({ run: work.control.run(), paymentTry: view.paymentTry });
      return awaitBuyer(view, work);
    case 'needs_action':
      return awaitBuyer(view, work);
    case 'authorized':
      return awaitCapture(view, work);
    case 'cancelled':
      throw new OrderEnd({ state: 'cancelled', code: 'payment_cancelled', message: 'The payment was cancelled.', givesBack: false });
    case 'other':
      await core.markOrderStuck({ run: work.control.run(), reason: 'payment_status_unknown' });
      return awaitNews(work, { view, phase: 'unknown' });
    default:
      await core.keepStock({ run: work.control.run(), untilMs: Date.now() + KEEP_STOCK_MS });
      return awaitNews(work, { view, phase: view.state });
  }
}

/** The provider says that it has no such payment, which it had. */
async function awaitFinding(view: OrderView, work: OrderWork, untilMs: number): Promise<OrderView> {
  if (Date.now() >= untilMs) throw new OrderEnd(missing());
  return awaitNews(work, { view, phase: 'payment_missing', message: 'The provider does not know the payment.', untilMs });
}

async function awaitBuyer(view: OrderView, work: OrderWork): Promise<OrderView> {
  if (Date.now() < view.payUntilMs) return awaitNews(work, { view, phase: view.state, untilMs: view.payUntilMs });
  throw new OrderEnd({ state: 'failed', code: 'payment_abandoned', message: 'The buyer did not pay in time.', givesBack: false });
}

/** Money is reserved: a person takes it, or takes it back. */
async function awaitCapture(view: OrderView, work: OrderWork): Promise<OrderView> {
  const { control, inbox } = work;
  const asked = inbox.captureAsked ?? (inbox.isApproved ? {} : undefined);
  if (asked !== undefined) {
    inbox.captureAsked = undefined;
    inbox.isApproved = false;
    return outside.capturePayment({ run: control.run(), ...asked });
  }
  const untilMs = view.captureBeforeMs === null ? undefined : view.captureBeforeMs - CAPTURE_MARGIN_MS;
  if (untilMs !== undefined && Date.now() >= untilMs)
    throw new OrderEnd({
      state: 'failed',
      code: 'authorization_expired',
      message: 'The reserved money was not taken in time.',
      givesBack: false,
    });
  await core.keepStock({ run: control.run(), untilMs: Date.now() + KEEP_STOCK_MS });
  return awaitNews(work, {
    view,
    phase: 'authorized',
    message: 'Waits for capture or void.',
    ...(untilMs === undefined ? {} : { untilMs }),
    or: () => inbox.captureAsked !== undefined || inbox.isApproved,
  });
}

/** Goods and receipt for money that was taken. */
async function deliver(view: OrderView, work: OrderWork): Promise<Outcome> {
  const { control } = work;
  const { short } = await core.sellStock({ run: control.run() });
  if (short.length > 0)
    throw new OrderEnd({ state: 'failed', code: 'out_of_stock', message: `Sold out meanwhile: ${short.join(', ')}.`, givesBack: true });
  await control.mark('fulfilling');
  const fulfilmentReference = await fulfil(work);
  const { receiptId } = await outside.sendReceipt({ run: control.run() });
  // It was asked for while whoever ships was taking the goods.
  if (work.inbox.isVoidAsked) await core.refuseVoid({ run: control.run() });
  const result = { state: 'paid', paidAmount: view.capturedAmount, fulfilmentReference, ...(receiptId === null ? {} : { receiptId }) };
  return { status: 'succeeded', result };
}

/** Until whoever ships has the goods. Before each try, and while nothing has left, a person may still take the order back. */
async function fulfil({ control, inbox }: OrderWork): Promise<string> {
  for (let round = 0; ; round += 1) {
    if (inbox.isVoidAsked) throw new OrderEnd({ ...voided(), givesBack: true });
    const fulfilled = await outside.fulfilOrder({ run: control.run(), isApproved: inbox.isApproved });
    if (fulfilled.outcome === 'accepted') return fulfilled.reference;
    if (fulfilled.outcome === 'refused')
      throw new OrderEnd({
        state: 'failed',
        code: 'not_fulfilled',
        message: `The goods can not be sent: ${fulfilled.code}.`,
        givesBack: true,
      });
    if (inbox.isVoidAsked) continue;
    inbox.isReadAsked = false;
    if (fulfilled.outcome === 'not_done') {
      const until = (): boolean => inbox.isVoidAsked || inbox.isReadAsked;
      await control.wait({ durationMs: handOverAgainMs(round), phase: 'fulfilling', message: 'Whoever ships can not be reached.', until });
      continue;
    }
    const until = (): boolean => inbox.isApproved || inbox.isVoidAsked || inbox.isReadAsked;
    await control.wait({ durationMs: FOREVER_MS, phase: 'held', message: `Waits for approve or void: ${fulfilled.code}.`, until });
  }
}

function handOverAgainMs(round: number): number {
  return Math.min(MAX_HAND_OVER_PAUSE_MS, 500 * 2 ** Math.min(round, 11));
}

/** Money back, pieces back, cart open. Tried until it is done; what needs a person is listed. */
async function undo(ending: Ending, work: OrderWork): Promise<Outcome> {
  if (ending.state === 'unknown') return leave(ending, work);
  const view = await takeBack(work);
  if (view.capturedAmount > view.refundedAmount && !ending.givesBack) {
    try {
      return await deliver(view, work);
    } catch (error) {
      return undo(endingOf(error), work);
    }
  }
  await giveBack(view, work);
  const { code, message } = ending;
  const state = ending.state === 'cancelled' ? 'cancelled' : 'failed';
  await core.endOrder({ run: work.control.run(), state, code });
  if (view.capturedAmount > 0) await outside.tellUndone({ run: work.control.run(), code });
  return state === 'cancelled' ? { status: 'cancelled' } : { status: 'failed', error: { code, message, retryable: false } };
}

/** Until the payment is cancelled, or money was taken: a payment that the bank is at work on can't be stopped. */
async function takeBack({ control }: OrderWork): Promise<OrderView> {
  for (let round = 0; ; round += 1) {
    const view = await outside.voidPayment({ run: control.run() });
    if (view.intentStatus === null || view.intentStatus === 'cancelled' || view.capturedAmount > 0) return view;
    if (Date.now() >= (findUntilMs(view) ?? Infinity)) throw new OrderEnd(missing());
    await pause(control, { phase: 'voiding', round });
  }
}

/** Until all that was taken is back with the buyer. A refund that fails is for a person: `reconcile` tries it anew. */
async function giveBack(first: OrderView, { control, inbox }: OrderWork): Promise<void> {
  let nth = 1;
  let view = first;
  for (let round = 0; view.capturedAmount > view.refundedAmount; round += 1) {
    const undone = await outside.undoPayment({ run: control.run(), nth });
    view = undone.view;
    if (view.capturedAmount <= view.refundedAmount) break;
    if (undone.hasFailed) {
      await core.markOrderStuck({ run: control.run(), reason: 'refund_failed' });
      inbox.isReadAsked = false;
      await control.wait({ durationMs: FOREVER_MS, phase: 'stuck', message: 'The refund failed.', until: () => inbox.isReadAsked });
      await core.markOrderUnstuck({ run: control.run() });
      nth += 1;
    } else await pause(control, { phase: 'refunding', round });
  }
}

function pause(control: OrderWork['control'], { phase, round }: { readonly phase: string; readonly round: number }): Promise<void> {
  return control.wait({ durationMs: round < FIRST_ROUNDS ? readAfterMs(round) : LATER_PAUSE_MS, phase });
}

function missing(): Ending {
  return { state: 'unknown', code: 'payment_missing', message: 'The provider does not know the payment any more.', givesBack: false };
}

function voided(): Ending {
  return { state: 'cancelled', code: 'voided', message: 'A person took the payment back.', givesBack: false };
}

/** What an error makes of the order; one that is a bug stops the workflow task, and one that begins a new run goes through. */
function endingOf(error: unknown): Ending {
  if (error instanceof OrderEnd) return error.ending;
  if (isCancellation(error) || isCutShort(error))
    return { state: 'cancelled', code: 'cancelled', message: 'The order was cancelled.', givesBack: false };
  if (!(error instanceof TemporalFailure)) throw error;
  const { code, message } = describeFailure(error);
  return { state: 'failed', code, message, givesBack: true };
}
