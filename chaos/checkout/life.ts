import * as z from 'zod';
import type { Load } from '../lib/load.ts';
import { Cart, type Client } from './client.ts';
import type { Buyer } from './plan.ts';
import { comeBack, unsubscribe } from './reminded.ts';

const FIRST_LOOK_MS = 200;
const MAX_LOOK_MS = 1_500;
const LOOKS_AFTERWARDS = 3;
/** How many of a crowd press the button at the same moment. */
const CROWD_AT_ONCE = 50;
/** Only in these can an order's work have ended; in the others nobody needs to ask whether it has. */
const MAY_HAVE_ENDED: ReadonlySet<string> = new Set(['paid', 'partially_refunded', 'refunded', 'cancelled', 'failed', 'unknown']);
const TERMINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'expired', 'unknown']);

const Problem = z.object({ code: z.string() });
const Operation = z.object({ id: z.string(), status: z.string() });
const Order = z.object({
  state: z.string(),
  capturedAmount: z.int(),
  refundedAmount: z.int(),
  payment: z.object({ nextAction: z.object({ url: z.string().optional() }).optional(), declined: z.unknown().optional() }),
});
type Order = z.infer<typeof Order>;

/** Of dinars the provider takes multiples of 10 alone. */
function partOf(amount: number, currency: string): number {
  const unit = currency === 'KWD' ? 10 : 1;
  return Math.max(unit, Math.floor(amount / unit) * unit);
}

interface CrowdClient extends Client {
  /** Somebody of the crowd has an order. */
  readonly onOrder: (id: string) => void;
}

/** A buyer from the cart to the end of the order, with refunds where the plan has some. Notes each answer that the judge needs. */
export async function liveBuyer(buyer: Buyer, client: Client): Promise<void> {
  const filled = await fillCart(buyer, client);
  if (buyer.behaviour === 'leaves') return leave(buyer, filled.id, client);
  if (buyer.behaviour === 'unsubscribes') return unsubscribe(buyer, filled.id, client);
  const basket = buyer.behaviour === 'comes_back' ? await comeBack(buyer, filled.id, client) : { cart: filled };
  const id = await checkOut(buyer, basket, client);
  if (id === undefined) return;
  const order = await followOrder(buyer, id, client);
  for (const [index, share] of buyer.refunds.entries()) {
    const amount = share === 1 ? undefined : partOf(order.capturedAmount * share, buyer.currency);
    if (order.capturedAmount > 0) await refund({ buyer, orderId: id, index, amount }, client);
  }
  if (buyer.behaviour === 'refund_fails' && order.capturedAmount > 0) await awaitReturn(id, client);
}

/** Hundreds who want the same few pieces. Whoever is told that there are none left goes home. */
export async function liveCrowd(crowd: readonly Buyer[], client: CrowdClient): Promise<void> {
  const waiting = [...crowd];
  const winners: Promise<unknown>[] = [];
  const press = async (): Promise<void> => {
    for (let buyer = waiting.shift(); buyer !== undefined; buyer = waiting.shift()) {
      const cart = await makeCart(buyer, client);
      const id = await checkOut(buyer, { cart }, client);
      if (id === undefined) continue;
      client.onOrder(id);
      winners.push(followOrder(buyer, id, client));
    }
  };
  await Promise.all(Array.from({ length: CROWD_AT_ONCE }, press));
  await Promise.all(winners);
}

async function makeCart({ ordinal, currency, sku, quantity }: Buyer, { load }: Client): Promise<Cart> {
  const body = { currency, items: [{ sku, quantity }] };
  const made = await load.ask('POST', '/v1/carts', { body, headers: { 'Idempotency-Key': `cart-${ordinal}` } });
  if (made.status !== 201) throw new Error(`the cart of buyer ${ordinal} was answered by ${made.status} ${JSON.stringify(made.body)}`);
  return Cart.parse(made.body);
}

async function fillCart(buyer: Buyer, client: Client): Promise<Cart> {
  const { load } = client;
  const { ordinal, email, wantsReminders } = buyer;
  const cart = await makeCart(buyer, client);
  const consent = { reminders: wantsReminders, ...(wantsReminders ? { wording: 'chaos-1' } : {}) };
  const contact = { email, name: `Buyer ${ordinal}`, locale: 'en', timeZone: daylightZone(), consent };
  const put = await load.ask('PUT', `/v1/carts/${cart.id}/contact`, { body: contact });
  if (put.status !== 200) throw new Error(`the contact of buyer ${ordinal} was answered by ${put.status} ${JSON.stringify(put.body)}`);
  return cart;
}

async function leave({ ordinal, email, optsOutAfterMs }: Buyer, cartId: string, { load, ledger, onAcknowledged }: Client): Promise<void> {
  await ledger.append({ type: 'left', ordinal, cartId, at: Date.now() });
  onAcknowledged();
  if (optsOutAfterMs === undefined) return;
  await load.pause(optsOutAfterMs);
  const body = { email, consent: { reminders: false } };
  const { status } = await load.ask('PUT', `/v1/carts/${cartId}/contact`, { body });
  if (status === 200) await ledger.append({ type: 'optedOut', ordinal, at: Date.now() });
}

interface Basket {
  readonly cart: Cart;
  /** Of who came back by a link, and has no other. */
  readonly token?: string;
}

/** Once or twice at the same time: there must be one order. Undefined: somebody of the crowd was told that there are no pieces left. */
async function checkOut(buyer: Buyer, { cart, token }: Basket, { load, ledger, onAcknowledged }: Client): Promise<string | undefined> {
  const { ordinal, methods, isDouble, behaviour } = buyer;
  const body = { quoteHash: cart.quote.quoteHash, paymentMethod: methods[0] };
  const presses = Array.from({ length: isDouble ? 2 : 1 }, async (_, press) => {
    const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const headers = { 'Idempotency-Key': `checkout-${ordinal}-${press}`, ...authorization };
    const answer = await load.ask('POST', `/v1/carts/${cart.id}/checkout`, { body, headers });
    if (behaviour === 'crowds' && answer.status === 409 && Problem.parse(answer.body).code === 'cart_not_sellable') return undefined;
    if (answer.status !== 202 && answer.status !== 200)
      throw new Error(`checkout ${ordinal} was answered by ${answer.status} ${JSON.stringify(answer.body)}`);
    return Operation.parse(answer.body).id;
  });
  const ids = (await Promise.all(presses)).filter((id) => id !== undefined);
  if (ids.length === 0) {
    await ledger.append({ type: 'soldOut', ordinal, at: Date.now() });
    return undefined;
  }
  await ledger.append({ type: 'acknowledged', ordinal, cartId: cart.id, ids: [...new Set(ids)], at: Date.now() });
  onAcknowledged();
  return ids[0];
}

async function followOrder(buyer: Buyer, id: string, { load, ledger }: Client): Promise<Order> {
  const { ordinal } = buyer;
  let [seen, methodsUsed, isAnswered] = ['', 1, false];
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.3, MAX_LOOK_MS)) {
    const order = await lookAt(id, load);
    if (order.state !== seen) await ledger.append({ type: 'seen', ordinal, id, state: order.state, at: Date.now() });
    seen = order.state;
    const url = order.payment.nextAction?.url;
    if (seen === 'needs_action' && url !== undefined && !isAnswered) isAnswered = await answerBank(buyer, url);
    const next = buyer.methods[methodsUsed];
    if (seen === 'needs_payment_method' && order.payment.declined !== undefined && next !== undefined) {
      const asked = await load.ask('POST', `/v1/orders/${id}/payment`, { body: { paymentMethod: next } });
      if (asked.status === 202) methodsUsed += 1;
    }
    const status = MAY_HAVE_ENDED.has(seen) ? Operation.parse((await load.ask('GET', `/v1/operations/${id}`)).body).status : '';
    if (TERMINAL.has(status)) {
      await ledger.append({ type: 'ended', ordinal, id, status, at: Date.now() });
      return linger(buyer, { id, seen }, { load, ledger });
    }
    await load.pause(pauseMs);
  }
}

/** Looks a few times more: what was shown must not be taken back by something that was read long ago. */
async function linger(
  { ordinal }: Buyer,
  { id, seen }: { readonly id: string; readonly seen: string },
  { load, ledger }: Pick<Client, 'load' | 'ledger'>,
): Promise<Order> {
  let order = await lookAt(id, load);
  let last = seen;
  for (let looks = 0; looks < LOOKS_AFTERWARDS; looks += 1) {
    if (order.state !== last) await ledger.append({ type: 'seen', ordinal, id, state: order.state, at: Date.now() });
    last = order.state;
    await load.pause(MAX_LOOK_MS / 2);
    order = await lookAt(id, load);
  }
  return order;
}

async function lookAt(id: string, load: Load): Promise<Order> {
  const { status, body } = await load.ask('GET', `/v1/orders/${id}`);
  if (status !== 200) throw new Error(`order ${id}, which was acknowledged, was answered by ${status} ${JSON.stringify(body)}`);
  return Order.parse(body);
}

/** What the buyer does in the page of the bank; true once it was answered. */
async function answerBank({ behaviour }: Buyer, url: string): Promise<boolean> {
  if (behaviour === 'abandons') return true;
  const answer = behaviour === 'refuses' ? 'fail' : 'approve';
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams({ answer }), redirect: 'manual' }).catch(() => undefined);
  return response !== undefined && response.status < 500;
}

interface RefundPlan {
  readonly buyer: Buyer;
  readonly orderId: string;
  readonly index: number;
  readonly amount: number | undefined;
}

async function refund({ buyer, orderId, index, amount }: RefundPlan, { load, ledger }: Client): Promise<void> {
  const { ordinal } = buyer;
  const headers = { 'Idempotency-Key': `refund-${ordinal}-${index}` };
  const body = amount === undefined ? {} : { amount };
  const answer = await load.ask('POST', `/v1/orders/${orderId}/refunds`, { body, headers });
  if (answer.status !== 202 && answer.status !== 200)
    throw new Error(`refund ${index} of order ${ordinal} was answered by ${answer.status} ${JSON.stringify(answer.body)}`);
  const { id } = Operation.parse(answer.body);
  await ledger.append({ type: 'refundAsked', ordinal, id, orderId, amount: amount ?? null, at: Date.now() });
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.3, MAX_LOOK_MS)) {
    const { status } = Operation.parse((await load.ask('GET', `/v1/operations/${id}`)).body);
    if (TERMINAL.has(status)) return ledger.append({ type: 'refundEnded', ordinal, id, status, at: Date.now() });
    await load.pause(pauseMs);
  }
}

/** Nobody works at the order any more: only what the provider says, or being asked, can tell that the money came back to us. */
async function awaitReturn(orderId: string, { load }: Client): Promise<void> {
  for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 1.3, MAX_LOOK_MS)) {
    if ((await lookAt(orderId, load)).refundedAmount === 0) return;
    await load.pause(pauseMs);
  }
}

/** Where it is about noon now: reminders rest at night. */
function daylightZone(): string {
  const ahead = 12 - new Date().getUTCHours();
  // The sign of these zones is the other way round: Etc/GMT-3 is three hours ahead.
  return ahead === 0 ? 'Etc/GMT' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
}
