import { type Kysely, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { OrderLine, OrderState } from '../../contracts/checkout/orders.ts';
import type { Quote } from '../../contracts/checkout/quotes.ts';
import { type OrderView, PAYMENT_MISSING, PAYMENT_UNFOUND } from '../../contracts/pure/checkout.ts';
import { type Tx, withTenant } from '../database.ts';
import type { OperationRow, PageRequest } from '../operations.ts';
import type { Database } from '../schema.ts';
import { type CartRow, reopenCart } from './cart-steps.ts';
import { type OrderRow, standingOf, stateOf } from './merge.ts';
import { clearStuck, insertOrderEvent, lockOrder, setStuck, write } from './payments.ts';
import { OPERATION_ENDED, reasonsOf } from './stuck.ts';
import { holdStock, releaseHold, returnStock, sellStock, wasSold } from './stock.ts';

export interface OrderFilter {
  readonly state?: OrderState | undefined;
  readonly cartId?: string | undefined;
  readonly isStuck?: boolean | undefined;
  readonly ownerSubject?: string | undefined;
  /** Only these: `order/{id}` or `cart/{id}`. */
  readonly resources?: readonly string[] | undefined;
}

export interface NewOrder {
  readonly operation: OperationRow;
  readonly cart: CartRow;
  readonly quote: Quote;
  readonly captureMethod: 'automatic' | 'manual';
  readonly paymentMethod: string | undefined;
  readonly payUntil: Date;
  readonly now: Date;
}

export interface OrderStep {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
}

/** How much longer pieces are kept than the buyer may take to pay: until the payment was surely taken back. */
const HOLD_MARGIN_MS = 15 * 60_000; // 15 min

/** Whoever tries over and over keeps the goods from others no longer than these tries give time for. */
const MAX_PROLONGING_TRIES = 5;

/** Orders of one tenant. Each step of a workflow is one transaction and may be repeated. */
export function createOrdersStore(db: Kysely<Database>) {
  function get(tenantId: string, id: string): Promise<OrderRow | undefined> {
    return withTenant(db, tenantId, (tx) => tx.selectFrom('checkout_order').selectAll().where('id', '=', id).executeTakeFirst());
  }

  /** Runs a step on the locked row. */
  function step<T>({ tenantId, orderId }: OrderStep, work: (tx: Tx, row: OrderRow) => Promise<T>): Promise<T> {
    return withTenant(db, tenantId, async (tx) => {
      const row = await lockOrder(tx, orderId);
      if (row === undefined) throw new Error('the order does not exist');
      return work(tx, row);
    });
  }

  return {
    get,
    list: (tenantId: string, filter: OrderFilter, page: PageRequest) => list(db, { tenantId, filter, page }),

    /** A try at paying was given to the provider; what it said of it is merged elsewhere, or told here where it can do nothing with it. */
    confirmed: (at: OrderStep, confirmedTry: number, decline?: NonNullable<OrderRow['decline']>) =>
      step(at, (tx, row) => {
        const confirmed_try = Math.max(row.confirmed_try, confirmedTry);
        const state = stateOf({ ...standingOf(row), isTrying: row.payment_try > confirmed_try });
        return write(tx, row, { changes: { confirmed_try, state, ...(decline === undefined ? {} : { decline }) }, now: at.now });
      }),

    /** The buyer names how to pay. Undefined: the order does not wait for that. */
    askPayment: (at: OrderStep, asked: { readonly paymentMethod: string; readonly payUntil: Date }) =>
      step(at, async (tx, row) => {
        if (row.state !== 'needs_payment_method') return undefined;
        const prolongs = row.payment_try < MAX_PROLONGING_TRIES && asked.payUntil > row.pay_until;
        const payUntil = prolongs ? asked.payUntil : row.pay_until;
        await prolongHold(tx, row, { payUntil, now: at.now });
        const changes = { payment_method: asked.paymentMethod, payment_try: row.payment_try + 1, pay_until: payUntil, decline: null };
        return write(tx, row, { changes: { ...changes, state: 'processing' }, now: at.now });
      }),

    /** Keeps the pieces for longer: the bank takes its time, or a person. */
    keepHold: (at: OrderStep, until: Date) => step(at, (tx, row) => prolongHold(tx, row, { payUntil: until, now: at.now })),

    /** Takes the pieces out of the stock. Answers what there is not enough of. */
    sell: (at: OrderStep) =>
      step(at, (tx, row) =>
        sellStock(tx, { tenantId: row.tenant_id, cartId: row.cart_id, orderId: row.id, lines: piecesOf(row), now: at.now }),
      ),

    fulfilled: (at: OrderStep, reference: string) =>
      step(at, (tx, row) => write(tx, row, { changes: { fulfilment_reference: reference }, now: at.now })),

    receiptSent: (at: OrderStep, receiptId: string) =>
      step(at, (tx, row) => write(tx, row, { changes: { receipt_id: receiptId }, now: at.now })),

    stuck: (at: OrderStep, reason: string) => step(at, (tx, row) => setStuck(tx, row, { reason, now: at.now })),

    /** Its work goes on after all: an operator began the workflow again, or the payment was found. */
    resumed: (at: OrderStep) =>
      step(at, (tx, row) =>
        clearStuck(tx, row, {
          reasons: [{ reason: OPERATION_ENDED }, { reason: PAYMENT_MISSING }, { reason: PAYMENT_UNFOUND }],
          now: at.now,
        }),
      ),

    /** Nobody can tell what became of its payment: it stays listed as it is. */
    leave: (at: OrderStep) => step(at, (tx, row) => write(tx, row, { changes: { state: 'unknown' }, now: at.now })),

    /** Its refund is tried anew. */
    unstuck: (at: OrderStep) => step(at, (tx, row) => clearStuck(tx, row, { reasons: [{ reason: 'refund_failed' }], now: at.now })),

    /**
     * Its operation has ended and the order has not. Where nothing was begun at the provider it ends with it; else it is a person’s to look
     * at.
     */
    settleAbandoned: (at: OrderStep) => step(at, (tx, row) => settleAbandoned(tx, row, at.now)),

    end: (at: OrderStep, ending: Ending) => step(at, (tx, row) => endOrder(tx, row, { ...ending, now: at.now })),
  };
}

/** What an order’s workflow needs to know of it. */
export function viewOf(row: OrderRow): OrderView {
  const missing = reasonsOf(row).find(({ reason }) => reason === PAYMENT_MISSING);
  return {
    state: row.state,
    intentStatus: row.intent_status,
    captureMethod: row.capture_method,
    capturedAmount: row.captured_amount,
    refundedAmount: row.refunded_amount,
    totalAmount: row.total_amount,
    paymentTry: row.payment_try,
    confirmedTry: row.confirmed_try,
    payUntilMs: row.pay_until.getTime(),
    captureBeforeMs: row.capture_before?.getTime() ?? null,
    ...(missing === undefined ? {} : { missingSinceMs: Date.parse(missing.since) }),
  };
}

/** Until when the pieces of an order are kept whose buyer may take until then. */
export function holdUntil(payUntil: Date): Date {
  return new Date(payUntil.getTime() + HOLD_MARGIN_MS);
}

/** The row that an accepted order begins with, and its stream. */
export async function insertOrder(
  tx: Tx,
  { operation, cart, quote, captureMethod, paymentMethod, payUntil, now }: NewOrder,
): Promise<void> {
  const streamId = uuidv7();
  const tenant_id = operation.tenant_id;
  await tx.insertInto('stream').values({ id: streamId, tenant_id, seq: 0 }).execute();
  const lines: readonly OrderLine[] = quote.lines.map(({ available: _available, ...line }) => line);
  const row = await tx
    .insertInto('checkout_order')
    .values({
      id: operation.id,
      tenant_id,
      cart_id: cart.id,
      stream_id: streamId,
      state: 'created',
      currency: quote.currency,
      lines: JSON.stringify(lines),
      shipping_amount: quote.shippingAmount,
      tax_amount: quote.taxAmount,
      total_amount: quote.totalAmount,
      capture_method: captureMethod,
      owner_subject: operation.owner_subject,
      email: cart.email,
      buyer_name: cart.name,
      locale: cart.locale,
      payment_method: paymentMethod ?? null,
      payment_try: paymentMethod === undefined ? 0 : 1,
      pay_until: payUntil,
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await sql`select append_stream_event(${tenant_id}, ${streamId}::uuid, 'step', ${JSON.stringify({ state: 'created' })}::jsonb, ${now}::timestamptz)`.execute(
    tx,
  );
  await insertOrderEvent(tx, row, { type: 'order.created', data: {}, now });
}

interface Ending {
  readonly state: 'cancelled' | 'failed';
  readonly code: string;
}

/** The order has come to nothing: pieces go back, the cart opens. Only once nothing of the buyer’s money is ours any more. */
async function endOrder(tx: Tx, row: OrderRow, { state, code, now }: Ending & { readonly now: Date }): Promise<OrderRow> {
  if (row.captured_amount > row.refunded_amount) throw new Error('money of an order that ends was not given back');
  const cart = { tenantId: row.tenant_id, cartId: row.cart_id, orderId: row.id, now };
  await returnStock(tx, cart);
  if (row.ended_at !== null) return row;
  await releaseHold(tx, cart);
  await reopenCart(tx, cart);
  await insertOrderEvent(tx, row, { type: 'order.ended', data: { outcome: state, code }, now });
  const changes = row.state === 'refunded' ? {} : { state, next_action: null };
  const next = await write(tx, row, { changes: { ...changes, ended_at: now }, now });
  return clearStuck(tx, next, { reasons: [{ reason: OPERATION_ENDED }], now });
}

async function settleAbandoned(tx: Tx, row: OrderRow, now: Date): Promise<'ended' | 'stuck'> {
  const begun = await tx
    .selectFrom('effect')
    .select('key')
    .where('root_id', '=', row.id)
    .where('state', 'in', ['sending', 'done', 'unknown'])
    .limit(1)
    .executeTakeFirst();
  const isBack = row.captured_amount > 0 && row.captured_amount <= row.refunded_amount;
  const isSafe = begun === undefined || isBack || (row.intent_status === 'cancelled' && row.captured_amount === 0);
  if (isSafe) await endOrder(tx, row, { state: 'cancelled', code: 'operation_ended', now });
  else await setStuck(tx, row, { reason: OPERATION_ENDED, now });
  return isSafe ? 'ended' : 'stuck';
}

async function prolongHold(tx: Tx, row: OrderRow, { payUntil, now }: { readonly payUntil: Date; readonly now: Date }): Promise<OrderRow> {
  const { tenant_id: tenantId, cart_id: cartId } = row;
  // A worker that dies may leave this to be done again when the pieces were sold or set free long since.
  if (row.ended_at !== null || (await wasSold(tx, row.id))) return row;
  const until = holdUntil(payUntil);
  const held = await tx.selectFrom('stock_hold').select('expires_at').where('cart_id', '=', cartId).execute();
  if (held.length > 0 && held.every(({ expires_at }) => expires_at >= until)) return row;
  // Whatever is short by now shows when the pieces are sold.
  await holdStock(tx, { tenantId, cartId, lines: piecesOf(row), until, now });
  return row;
}

function piecesOf({ lines }: OrderRow) {
  return lines.map(({ sku, quantity }) => ({ sku, quantity }));
}

interface ListRequest {
  readonly tenantId: string;
  readonly filter: OrderFilter;
  readonly page: PageRequest;
}

async function list(db: Kysely<Database>, { tenantId, filter, page }: ListRequest): Promise<OrderRow[]> {
  return withTenant(db, tenantId, (tx) => {
    let query = tx.selectFrom('checkout_order').selectAll().where('tenant_id', '=', tenantId);
    if (filter.state !== undefined) query = query.where('state', '=', filter.state);
    if (filter.cartId !== undefined) query = query.where('cart_id', '=', filter.cartId);
    if (filter.isStuck !== undefined) query = query.where('stuck', filter.isStuck ? 'is not' : 'is', null);
    if (filter.ownerSubject !== undefined) query = query.where('owner_subject', '=', filter.ownerSubject);
    if (filter.resources !== undefined)
      query = query.where(sql<boolean>`array['order/' || id, 'cart/' || cart_id] && ${[...filter.resources]}::text[]`);
    if (page.cursor !== undefined)
      query = query.where(sql<boolean>`(created_at, id) < (${page.cursor.createdAt}::timestamptz, ${page.cursor.id}::uuid)`);
    return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
  });
}
