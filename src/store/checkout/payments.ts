import { type Kysely, sql } from 'kysely';
import type { PaymentIntent, Refund } from '../../adapters/payments.ts';
import type { DispatchBridge } from '../../contracts/bridge.ts';
import type { OrderState, StuckReason } from '../../contracts/checkout/orders.ts';
import { ORDER_SIGNALS, PAYMENT_MISSING } from '../../contracts/pure/checkout.ts';
import { type Tx, withTenant } from '../database.ts';
import type { Database } from '../schema.ts';
import { insertMessage } from '../messages.ts';
import { insertEvent } from '../new-event.ts';
import { post, postingsOfIntent, postingsOfOther, postingsOfRefund } from './ledger.ts';
import { withdrawMails } from './cart-mails.ts';
import { giveUpAbandoned } from './given-up.ts';
import { type IntentRead, mergeIntent, type OrderRow, standingOf, stateOf } from './merge.ts';
import { type RefundReading, upsertRefund } from './refund-rows.ts';
import { hasReason, isReason, PAYMENT_MISMATCH, reasonsOf, REFUND_ABANDONED, SECOND_PAYMENT, stillStuck, stuckOf } from './stuck.ts';

export interface Reading extends IntentRead {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
  /** Whether the order’s workflow is told when something has changed; it need not be when it is the one that reads. */
  readonly tellsWorkflow: boolean;
}

export interface OtherReading extends Pick<Reading, 'tenantId' | 'orderId' | 'now' | 'intent'> {
  readonly refunds: readonly Refund[];
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly bridge: DispatchBridge;
}

/** What the provider told, merged into orders, refunds and the ledger. All may be repeated, in any order. */
export function createPaymentsStore({ db, bridge }: Parts) {
  /** Comes before a reading. A reading with a smaller ticket than one that was merged says nothing new of what may change both ways. */
  async function takeTicket(tenantId: string, orderId: string): Promise<number | undefined> {
    return withTenant(db, tenantId, async (tx) => {
      const row = await tx
        .updateTable('checkout_order')
        .set((e) => ({ read_ticket: e('read_ticket', '+', 1) }))
        .where('id', '=', orderId)
        .returning('read_ticket')
        .executeTakeFirst();
      return row?.read_ticket;
    });
  }

  async function applyIntent(reading: Reading): Promise<OrderRow | undefined> {
    const { tenantId, orderId, intent, now } = reading;
    let isTold = false;
    const merged = await withTenant(db, tenantId, async (tx) => {
      const row = await lockOrder(tx, orderId);
      if (row === undefined) return undefined;
      // What else there is under this order’s name never takes the place of its payment.
      if (row.intent_id !== null && row.intent_id !== intent.id) return row;
      if (!isOf(row, intent)) return setStuck(tx, row, { reason: PAYMENT_MISMATCH, about: intent.id, now });
      const changes = mergeIntent(row, reading);
      await post(tx, row, { postings: postingsOfIntent(row, intent), now });
      const wasMissing = { reason: PAYMENT_MISSING };
      const wasOther = { reason: PAYMENT_MISMATCH, about: intent.id };
      const next = await clearStuck(tx, await write(tx, row, { changes, now }), { reasons: [wasMissing, wasOther], now });
      if (reading.tellsWorkflow && differs(row, next)) isTold = await tellWorkflow(tx, next, now);
      // Money that came after the order had ended is for a person to look at.
      const isLate = row.captured_amount === 0 && next.captured_amount > 0 && (row.state === 'failed' || row.state === 'cancelled');
      return isLate ? setStuck(tx, next, { reason: 'paid_after_end', now }) : next;
    });
    if (isTold) bridge.wake();
    return merged;
  }

  /** Books a refund, and makes its row when it has none. */
  async function applyRefund(reading: RefundReading): Promise<OrderRow | undefined> {
    const { tenantId, orderId, refund, now } = reading;
    return withTenant(db, tenantId, async (tx) => {
      const row = await lockOrder(tx, orderId);
      if (row === undefined) return undefined;
      const refundRow = await upsertRefund(tx, reading);
      const hasFailed = refundRow.state === 'failed' || refundRow.state === 'cancelled';
      const { balance, failureBalance } = refund;
      await post(tx, row, {
        postings: postingsOfRefund(row, { id: refundRow.id, amount: refund.money.amount, balance, failureBalance, hasFailed }),
        now,
      });
      const counted = await countRefunds(tx, row, now);
      const next = hasReason(counted, REFUND_ABANDONED) ? await settleReserved(tx, counted, now) : counted;
      if (next.refunded_amount >= row.refunded_amount) return next;
      // Taken back by the bank, days later perhaps: the buyer has no money, and nobody works at it any more.
      return setStuck(tx, next, { reason: 'refund_failed', untilRefunded: row.refunded_amount, now });
    });
  }

  return { takeTicket, applyIntent, applyRefund, applyOther: (reading: OtherReading) => applyOther(db, reading) };
}

/**
 * A second payment of an order, which we never make: somebody took money elsewhere under its name. What it moved is booked, as owed to the
 * buyer until it is given back, and a person must look.
 */
async function applyOther(db: Kysely<Database>, { tenantId, orderId, intent, refunds, now }: OtherReading): Promise<OrderRow | undefined> {
  return withTenant(db, tenantId, async (tx) => {
    const row = await lockOrder(tx, orderId);
    if (row === undefined || row.intent_id === intent.id) return row;
    await post(tx, row, { postings: postingsOfOther(intent, refunds), now });
    const about = intent.id;
    const isMoney = intent.receivedAmount > (intent.charge?.refundedAmount ?? 0) || intent.capturableAmount > 0;
    if (isMoney) return setStuck(tx, row, { reason: SECOND_PAYMENT, about, now });
    return clearStuck(tx, row, { reasons: [SECOND_PAYMENT, PAYMENT_MISMATCH].map((reason) => ({ reason, about })), now });
  });
}

export function lockOrder(tx: Tx, orderId: string): Promise<OrderRow | undefined> {
  return tx.selectFrom('checkout_order').selectAll().where('id', '=', orderId).forUpdate().executeTakeFirst();
}

/** Marks an order for a person to look at. What was a reason before stays one, and comes first. */
export async function setStuck(
  tx: Tx,
  row: OrderRow,
  { now, ...why }: Omit<StuckReason, 'since'> & { readonly now: Date },
): Promise<OrderRow> {
  const known = reasonsOf(row);
  if (known.some((one) => isReason(one, why))) return row;
  const stuck = stuckOf([...known, { ...why, since: now.toISOString() }]);
  const next = await write(tx, row, { changes: { stuck }, now });
  await insertOrderEvent(tx, next, { type: 'order.stuck', data: { reason: why.reason }, now });
  return next;
}

interface Cleared {
  readonly reasons: readonly Pick<StuckReason, 'reason' | 'about'>[];
  readonly now: Date;
}

/** Takes reasons back whose cause is gone; others stay. */
export function clearStuck(tx: Tx, row: OrderRow, { reasons, now }: Cleared): Promise<OrderRow> {
  const known = reasonsOf(row);
  const left = known.filter((one) => !reasons.some((gone) => isReason(one, gone)));
  return write(tx, row, { changes: left.length === known.length ? {} : { stuck: stuckOf(left) }, now });
}

/** Gives up what no work waits for any more, and says whether all of it is settled. */
export async function settleReserved(tx: Tx, row: OrderRow, now: Date): Promise<OrderRow> {
  const isOpen = (await giveUpAbandoned(tx, row.id, now)) > 0;
  const reason = REFUND_ABANDONED;
  return isOpen ? setStuck(tx, row, { reason, now }) : clearStuck(tx, row, { reasons: [{ reason }], now });
}

export interface Changed {
  readonly changes: Partial<Omit<OrderRow, 'id' | 'tenant_id' | 'lines'>>;
  readonly now: Date;
}

/** Writes an order’s row; what its buyer sees goes to the stream, what others should know becomes an event, all at once. */
export async function write(tx: Tx, row: OrderRow, { changes, now }: Changed): Promise<OrderRow> {
  const stuck = stillStuck({ ...row, ...changes });
  if (isSame(row, { ...changes, stuck })) return row;
  const { next_action, decline, stuck: _asked, ...rest } = changes;
  const next: OrderRow = { ...row, ...changes, stuck, updated_at: now };
  const json = (value: object | null | undefined): string | null => (value === null || value === undefined ? null : JSON.stringify(value));
  await tx
    .updateTable('checkout_order')
    .set({
      ...rest,
      ...(next_action === undefined ? {} : { next_action: json(next_action) }),
      ...(decline === undefined ? {} : { decline: json(decline) }),
      stuck: json(stuck),
      updated_at: now,
    })
    .where('id', '=', row.id)
    .execute();
  if (isSeen(row, next)) await appendStep(tx, next, now);
  if (next.refunded_amount < row.refunded_amount) {
    // Not its state of before once more: whoever ships upon `order.paid` would ship twice.
    await insertOrderEvent(tx, next, { type: 'order.refund_failed', data: { refundedAmount: next.refunded_amount }, now });
  } else if (row.state !== next.state) {
    await insertOrderEvent(tx, next, { type: `order.${next.state}`, data: {}, now });
    // What a mail asks the buyer to do may be done.
    await withdrawMails(tx, { tenantId: row.tenant_id, cartId: row.cart_id, now });
  }
  return next;
}

/** A late reading has nothing new, and needs no new version of the row. */
function isSame(row: OrderRow, changes: Changed['changes']): boolean {
  const all: OrderRow = { ...row, ...changes };
  return JSON.stringify(all) === JSON.stringify(row);
}

const ENDS: ReadonlySet<OrderState> = new Set(['cancelled', 'failed', 'refunded']);

async function appendStep(tx: Tx, row: OrderRow, now: Date): Promise<void> {
  const data = {
    state: row.state,
    capturedAmount: row.captured_amount,
    refundedAmount: row.refunded_amount,
    ...(row.next_action === null ? {} : { nextAction: row.next_action }),
    ...(row.decline === null ? {} : { declined: { code: row.decline.code, message: row.decline.text } }),
  };
  const type = ENDS.has(row.state) ? 'done' : 'step';
  // Nobody reads on behind the end: what comes after it is told by events, and shown by the order.
  await sql`select append_stream_event(${row.tenant_id}, ${row.stream_id}::uuid, ${type}, ${JSON.stringify(data)}::jsonb, ${now}::timestamptz)
    from stream where id = ${row.stream_id}::uuid and not ended`.execute(tx);
}

export interface OrderEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly now: Date;
}

/** A fact about an order for the host application. */
export async function insertOrderEvent(tx: Tx, row: OrderRow, { type, data, now }: OrderEvent): Promise<void> {
  const facts = { orderId: row.id, cartId: row.cart_id, state: row.state, currency: row.currency, totalAmount: row.total_amount, ...data };
  await insertEvent(tx, { tenantId: row.tenant_id, type, operationId: row.id, data: facts, now });
}

/** What was given back for good, and the state that follows from it. */
export async function countRefunds(tx: Tx, row: OrderRow, now: Date): Promise<OrderRow> {
  const { sum } = await tx
    .selectFrom('payment_refund')
    .select((e) => e.fn.sum<string | null>('amount').as('sum'))
    .where('order_id', '=', row.id)
    .where('state', '=', 'succeeded')
    .executeTakeFirstOrThrow();
  const refunded = Number(sum ?? 0);
  if (refunded === row.refunded_amount) return write(tx, row, { changes: {}, now });
  const state = stateOf({ ...standingOf(row), refunded });
  return write(tx, row, { changes: { refunded_amount: refunded, state }, now });
}

function isOf(row: OrderRow, { owner, money }: PaymentIntent): boolean {
  return (
    owner.orderId === row.id && owner.tenantId === row.tenant_id && money.currency === row.currency && money.amount === row.total_amount
  );
}

function differs(before: OrderRow, after: OrderRow): boolean {
  return before.intent_status !== after.intent_status || isSeen(before, after);
}

function isSeen(before: OrderRow, after: OrderRow): boolean {
  const seen = (row: OrderRow): string =>
    JSON.stringify([row.state, row.captured_amount, row.refunded_amount, row.next_action, row.decline, row.client_secret]);
  return seen(before) !== seen(after);
}

async function tellWorkflow(tx: Tx, order: OrderRow, now: Date): Promise<boolean> {
  const row = await tx.selectFrom('operation').selectAll().where('id', '=', order.id).executeTakeFirst();
  if (row === undefined || row.run_id === null || !['running', 'waiting', 'cancelling'].includes(row.status)) return false;
  await insertMessage({ tx, row }, { verb: 'signal', name: ORDER_SIGNALS.paymentChanged, payload: { actor: 'provider' }, now });
  return true;
}
