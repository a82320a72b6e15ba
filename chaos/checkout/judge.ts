import { hasArrived, type JournalEntry } from '../email/journal.ts';
import type { Verdict } from '../lib/feature.ts';
import { type CheckoutEvidence, type OrderEvidence, PAID_STATES } from './evidence.ts';
import type { OrderMoney } from './journal.ts';
import { isReminder } from './mailboxes.ts';
import { CROWD_SKU, CROWD_STOCK, mustPay, shelf } from './plan.ts';

const TERMINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'expired', 'unknown']);
/** A mail whose sending had begun may be taken so much later. */
const IN_FLIGHT_MS = 500;
/** One clock, two processes. */
const CLOCK_MARGIN_MS = 5;

/**
 * Decides by the provider's journal, by what the mail server has, and by what the API answers: nobody charged twice at any moment, no order
 * lost, no money of nobody, the books equal to the provider's balance, pieces conserved, one receipt each, no reminder where none may be.
 */
export function judgeCheckout(evidence: CheckoutEvidence): Verdict {
  const { orders, provider, mails, buyers } = evidence;
  const arrived = mails.filter(hasArrived);
  const byRecipient = Map.groupBy(arrived, ({ recipient }) => recipient);
  const known = new Set([...orders.map(({ buyer }) => buyer.ordinal), ...evidence.left, ...evidence.soldOut]);
  const violations = [
    ...buyers.flatMap(({ ordinal }) => (known.has(ordinal) ? [] : [`buyer ${ordinal} was never acknowledged`])),
    ...orders.flatMap((order) => judgeOperations(order)),
    ...orders.flatMap((order) => judgeMoney(order, provider.orders.get(order.id))),
    ...orders.flatMap((order) => judgeSeen(order)),
    ...orders.flatMap((order) => judgeRefunds(order, provider.orders.get(order.id))),
    ...strangers(evidence),
    ...judgeBooks(evidence),
    ...judgeStock(evidence),
    ...judgeCrowd(evidence),
    ...orders.flatMap((order) => judgeReceipts(order, byRecipient.get(order.buyer.email) ?? [])),
    ...judgeReminders(evidence, byRecipient),
  ];
  const count = (isWanted: (one: OrderEvidence) => boolean): number => orders.filter(isWanted).length;
  const reminders = arrived.filter(({ subject }) => isReminder(subject));
  return {
    violations,
    redone: orders.reduce((sum, { steps }) => sum + redoneSteps(steps), 0),
    unknown: orders
      .filter(({ status, order }) => status === 'unknown' || order?.state === 'unknown')
      .map(({ id, order }) => `${id} ${order?.stuck?.reason ?? ''}`),
    figures: {
      orders: orders.length,
      succeeded: count(({ status }) => status === 'succeeded'),
      failed: count(({ status }) => status === 'failed'),
      cancelled: count(({ status }) => status === 'cancelled'),
      stuck: count(({ order }) => order?.stuck !== undefined),
      refunds: orders.reduce((sum, { refunds }) => sum + refunds.length, 0),
      'double submits': count(({ buyer }) => buyer.isDouble),
      'carts left': evidence.left.size,
      'told sold out': evidence.soldOut.size,
      reminders: reminders.length,
      'bought when reminded': count(({ buyer, status }) => buyer.behaviour === 'comes_back' && status === 'succeeded'),
      'unsubscribed by the mail': buyers.filter((buyer) => buyer.behaviour === 'unsubscribes' && evidence.optedOutAt.has(buyer.ordinal))
        .length,
      'provider faults': provider.faults,
      'provider replays': provider.replays,
    },
  };
}

function nameOf({ id, buyer }: OrderEvidence): string {
  return `order ${buyer.ordinal} (${buyer.behaviour}, ${id})`;
}

function judgeOperations(one: OrderEvidence): readonly string[] {
  const { orderIds, status, refunds, order } = one;
  const name = nameOf(one);
  return [
    ...(orderIds.length > 1 ? [`${name} is one of ${orderIds.length} orders of its cart`] : []),
    ...(status === 'missing' ? [`${name} is lost: the API does not know it`] : []),
    // What waits for a person is listed as stuck; everything else must have ended.
    ...(status !== 'missing' && !TERMINAL.has(status) && order?.stuck === undefined
      ? [`${name} has not ended: ${status}, ${order?.state}`]
      : []),
    ...refunds.flatMap((refund) => (TERMINAL.has(refund.status) ? [] : [`refund ${refund.id} of ${name} has not ended: ${refund.status}`])),
  ];
}

/** At every moment of the provider's journal, and at its end against the API. */
function judgeMoney(one: OrderEvidence, money: OrderMoney | undefined): readonly string[] {
  const { order, status, buyer, error, seenPaidAt } = one;
  const name = nameOf(one);
  const captured = money?.capturedAmount ?? 0;
  const refunded = money?.refundedAmount ?? 0;
  const hasEnded = TERMINAL.has(status);
  const tooMuch = money?.moments.find(({ netAmount }) => netAmount > money.totalAmount);
  return [
    ...(tooMuch === undefined ? [] : [`${name} was charged twice: ${tooMuch.netAmount} of ${money?.totalAmount}`]),
    ...((money?.charges ?? 0) > 1 ? [`${name} was charged ${money?.charges} times`] : []),
    ...((money?.intents ?? 0) > 1 ? [`${name} has ${money?.intents} payments at the provider`] : []),
    ...((money?.openAuthorizations ?? 0) > 0 && hasEnded ? [`${name} has ended, and money is still reserved for it`] : []),
    ...(money !== undefined && order !== undefined && money.totalAmount !== order.totalAmount
      ? [`${name} costs ${order.totalAmount}, the payment is of ${money.totalAmount}`]
      : []),
    ...(order !== undefined && hasEnded && (order.capturedAmount !== captured || order.refundedAmount !== refunded)
      ? [
          `${name}: the API says ${order.capturedAmount} taken and ${order.refundedAmount} given back, the provider ${captured} and ${refunded}`,
        ]
      : []),
    ...(status === 'succeeded' && captured === 0 ? [`${name} has succeeded without money`] : []),
    ...(hasEnded && status !== 'succeeded' && status !== 'unknown' && captured > refunded
      ? [`${name} is ${status}, and ${captured - refunded} were kept`]
      : []),
    ...(mustPay(buyer) && hasEnded && status !== 'succeeded' && status !== 'unknown'
      ? [`${name} should have been paid, and is ${status}, ${error ?? ''}`]
      : []),
    ...(seenPaidAt !== undefined && (money?.paidAtMs === undefined || seenPaidAt < money.paidAtMs - CLOCK_MARGIN_MS)
      ? [`${name} was shown as paid before it was`]
      : []),
  ];
}

/** Money that was shown as taken, or told of, is never shown as not taken again. */
function judgeSeen(one: OrderEvidence): readonly string[] {
  const [seen, told] = [unpaidAgain(one.seenStates), unpaidAgain(one.toldStates)];
  return [
    ...(seen === undefined ? [] : [`${nameOf(one)} was shown as paid, and then as ${seen}`]),
    ...(told === undefined ? [] : [`${nameOf(one)} was told to be paid, and then to be ${told}`]),
  ];
}

function unpaidAgain(states: readonly string[]): string | undefined {
  const first = states.findIndex((state) => PAID_STATES.has(state));
  return first < 0 ? undefined : states.slice(first).find((state) => !PAID_STATES.has(state));
}

function judgeRefunds(one: OrderEvidence, money: OrderMoney | undefined): readonly string[] {
  const { refunds, status, buyer } = one;
  const name = nameOf(one);
  const comesBack = buyer.behaviour === 'refund_fails';
  const given = refunds.filter((refund) => refund.status === 'succeeded');
  const failed = refunds.filter(
    (refund) => !comesBack && TERMINAL.has(refund.status) && refund.status !== 'succeeded' && refund.status !== 'unknown',
  );
  const isWhole = given.some(({ amount }) => amount === null);
  const expected = comesBack ? 0 : isWhole ? (money?.capturedAmount ?? 0) : given.reduce((sum, { amount }) => sum + (amount ?? 0), 0);
  const refunded = money?.refundedAmount ?? 0;
  const isSettled = refunds.every((refund) => TERMINAL.has(refund.status) && refund.status !== 'unknown');
  return [
    ...failed.map((refund) => `refund ${refund.id} of ${name} is ${refund.status}`),
    ...(status === 'succeeded' && isSettled && refunded !== expected
      ? [`${name}: ${expected} should have been given back, ${refunded} were`]
      : []),
  ];
}

/** Money of orders that nobody was told of. */
function strangers({ orders, provider }: CheckoutEvidence): readonly string[] {
  const known = new Set(orders.map(({ id }) => id));
  return [...provider.orders.values()]
    .filter(({ orderId }) => !known.has(orderId))
    .map(({ orderId, capturedAmount }) => `${orderId} is no order that anybody knows, and ${capturedAmount} were taken for it`);
}

/** The books must be the provider's balance, to the smallest unit, and owe nobody anything. */
function judgeBooks({ accounts, provider }: CheckoutEvidence): readonly string[] {
  const currencies = new Set([...accounts.map(({ currency }) => currency), ...provider.net.keys()]);
  return [...currencies].flatMap((currency) => {
    const of = (account: string) => accounts.find((one) => one.account === account && one.currency === currency)?.balance ?? 0;
    const total = accounts.filter((one) => one.currency === currency).reduce((sum, { balance }) => sum + balance, 0);
    const [net, fees] = [provider.net.get(currency) ?? 0, provider.fees.get(currency) ?? 0];
    return [
      ...(total === 0 ? [] : [`the books of ${currency} add up to ${total}`]),
      ...(of('provider_clearing') === net
        ? []
        : [`the books have ${of('provider_clearing')} ${currency} at the provider, which says ${net}`]),
      ...(of('provider_fees') === fees ? [] : [`the books have ${of('provider_fees')} ${currency} of fees, the provider ${fees}`]),
      ...(of('customer_receivable') === 0 ? [] : [`buyers owe ${of('customer_receivable')} ${currency} by the books`]),
    ];
  });
}

/** What is gone is what was sold, and nothing is put aside for anybody any more. */
function judgeStock({ orders, products, buyers }: CheckoutEvidence): readonly string[] {
  if (orders.some(({ status }) => !TERMINAL.has(status))) return [];
  return [...shelf(buyers)].flatMap(([sku, first]) => {
    const product = products.find((one) => one.sku === sku);
    const sold = orders
      .filter(({ buyer, status }) => buyer.sku === sku && status === 'succeeded')
      .reduce((sum, { buyer }) => sum + buyer.quantity, 0);
    if (product === undefined) return [`${sku} is gone`];
    return [
      ...(product.stock === first - sold ? [] : [`${sku}: ${first - sold} pieces should be left, ${product.stock} are`]),
      ...(product.available === product.stock ? [] : [`${sku}: ${product.stock - product.available} pieces are put aside for nobody`]),
    ];
  });
}

/** Of few pieces exactly as many orders as there are, and nobody sent home while one was left. */
function judgeCrowd({ buyers, orders, soldOut }: CheckoutEvidence): readonly string[] {
  if (!buyers.some(({ sku }) => sku === CROWD_SKU)) return [];
  const sold = orders.filter(({ buyer, status }) => buyer.sku === CROWD_SKU && status === 'succeeded').length;
  const both = orders.filter(({ buyer }) => soldOut.has(buyer.ordinal));
  return [
    ...(sold === CROWD_STOCK ? [] : [`${sold} of ${CROWD_STOCK} pieces of ${CROWD_SKU} were sold, ${soldOut.size} buyers sent home`]),
    ...both.map((order) => `${nameOf(order)} was told that nothing is left as well`),
  ];
}

function judgeReceipts(one: OrderEvidence, mails: readonly JournalEntry[]): readonly string[] {
  const receipts = mails.filter(({ subject }) => subject?.startsWith('Your receipt') === true).length;
  const name = nameOf(one);
  const expected = one.buyer.behaviour === 'crowds' ? 0 : 1;
  if (one.status === 'succeeded') return receipts === expected ? [] : [`${name} has ${receipts} receipts`];
  return TERMINAL.has(one.status) && receipts > 0 ? [`${name} is ${one.status}, and has a receipt`] : [];
}

function judgeReminders(evidence: CheckoutEvidence, byRecipient: ReadonlyMap<string, readonly JournalEntry[]>): readonly string[] {
  const { buyers, orders, optedOutAt, left } = evidence;
  const orderOf = new Map(orders.map((order) => [order.buyer.ordinal, order]));
  return buyers.flatMap((buyer) => {
    const { ordinal, behaviour, wantsReminders, optsOutAfterMs } = buyer;
    const reminders = (byRecipient.get(buyer.email) ?? []).filter(({ subject }) => isReminder(subject));
    const name = `buyer ${ordinal}`;
    const order = orderOf.get(ordinal);
    const endAt = Math.min(boughtAt(evidence, order), optedOutAt.get(ordinal) ?? Infinity);
    const byId = Map.groupBy(reminders, ({ messageId }) => messageId);
    return [
      ...(reminders.length > 0 && !wantsReminders ? [`${name} was reminded, and never agreed to it`] : []),
      ...reminders
        .filter(({ at }) => at > endAt + IN_FLIGHT_MS)
        .map(({ at }) => `${name} was reminded ${at - endAt} ms after payment or unsubscription`),
      ...[...byId].filter(([, same]) => same.length > 1).map(([messageId, same]) => `${name} has ${messageId} ${same.length} times`),
      ...(left.has(ordinal) && wantsReminders && optsOutAfterMs === undefined && reminders.length === 0
        ? [`${name} left a cart, agreed to be reminded, and never was`]
        : []),
      ...(behaviour === 'comes_back' && order === undefined ? [`${name} came back when reminded, and has no order`] : []),
      ...(behaviour === 'unsubscribes' && !optedOutAt.has(ordinal) ? [`${name} could not unsubscribe by the mail`] : []),
    ];
  });
}

/** From when on nobody reminds of the cart. An order that comes to nothing gives it back; of any other, its first answer counts. */
function boughtAt({ provider }: CheckoutEvidence, order: OrderEvidence | undefined): number {
  const paidAt = provider.orders.get(order?.id ?? '')?.paidAtMs ?? Infinity;
  return order?.status === 'succeeded' ? Math.min(paidAt, order.acknowledgedAt) : paidAt;
}

/** Attempts beyond the first at the same step of the same run: what a crash made Temporal give out again. */
function redoneSteps(steps: OrderEvidence['steps']): number {
  return steps.length - new Set(steps.map(({ runId, activityId }) => `${runId} ${activityId}`)).size;
}
