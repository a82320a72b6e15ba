import { OrderCapture } from '../../contracts/checkout/orders.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { Reason } from '../../contracts/operation.ts';
import { ORDER_SIGNALS } from '../../contracts/pure/checkout.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type JsonReply, type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { badAmount, requireWhole } from './amounts.ts';
import { ORDER_RESPONSE } from './orders.ts';
import { findOrder, presentOrder } from './present-order.ts';

const TAG = 'Checkout';
const scopes = [KINDS.order.scopes.start];
const OPEN_STATES: ReadonlySet<string> = new Set([
  'created',
  'needs_payment_method',
  'needs_action',
  'processing',
  'authorized',
  'unknown',
]);

interface Verb {
  readonly path: string;
  readonly operationId: string;
  readonly signal: string;
  readonly summary: string;
  readonly description: string;
  /** Why it can't be asked of the order as it is. */
  readonly fault: (row: OrderRow) => string | undefined;
}

const VERBS: readonly Verb[] = [
  {
    path: 'approve',
    operationId: 'approveOrder',
    signal: ORDER_SIGNALS.approve,
    summary: 'Let an order go on that waits for a person',
    description: 'Takes all money that is reserved; ships what whoever ships has held.',
    fault: (row) => (row.state === 'authorized' || isHeld(row) ? undefined : 'only one that is authorized, or held, waits for this'),
  },
  {
    path: 'void',
    operationId: 'voidOrder',
    signal: ORDER_SIGNALS.voidPayment,
    summary: 'Take the payment of an order back and end it',
    description: 'As long as no money was taken, or while whoever ships holds it; then the money goes back. Later, refund it.',
    fault: (row) => (OPEN_STATES.has(row.state) || isHeld(row) ? undefined : 'it can be voided until its goods were handed over'),
  },
  {
    path: 'reconcile',
    operationId: 'reconcileOrder',
    signal: ORDER_SIGNALS.reconcile,
    summary: 'Compare an order with the payment provider now',
    description: 'Reads payment and refunds anew, and tries again what is stuck.',
    fault: () => undefined,
  },
];

/** What people ask of an order. Each is audited with who asked; each is also a signal for the `temporal` CLI. */
export function orderVerbRoutes(ctx: ApiContext): Route[] {
  return [...VERBS.map((verb) => verbRoute(ctx, verb)), captureRoute(ctx)];
}

function verbRoute(ctx: ApiContext, verb: Verb): Route {
  return tenantRoute(scopes, {
    method: 'post',
    path: `/v1/orders/{id}/${verb.path}`,
    operationId: verb.operationId,
    summary: verb.summary,
    description: verb.description,
    tag: TAG,
    feature: 'checkout',
    params: UuidParams,
    body: Reason,
    bodyOptional: true,
    bodyExample: { reason: 'asked by phone' },
    responses: { 202: { description: 'The order was told.', ...ORDER_RESPONSE } },
    problems: ['not_found', 'order_not_in_state'],
    async handler(request) {
      const row = await findOrder(ctx, request);
      const fault = verb.fault(row);
      if (fault !== undefined) throw new HttpProblem('order_not_in_state', `The order is ${row.state}: ${fault}.`);
      return tell(ctx, { ...request, row, name: verb.signal, payload: {}, reason: request.body.reason });
    },
  });
}

function captureRoute(ctx: ApiContext): Route {
  return tenantRoute(scopes, {
    method: 'post',
    path: '/v1/orders/{id}/capture',
    operationId: 'captureOrder',
    summary: 'Take reserved money',
    description: 'All of it, or an amount; what is not taken goes back to the buyer. For an order that is `authorized`.',
    tag: TAG,
    feature: 'checkout',
    params: UuidParams,
    body: OrderCapture,
    bodyOptional: true,
    bodyExample: { amount: 4470 },
    responses: { 202: { description: 'The order was told.', ...ORDER_RESPONSE } },
    problems: ['not_found', 'order_not_in_state'],
    async handler(request) {
      const row = await findOrder(ctx, request);
      if (row.state !== 'authorized')
        throw new HttpProblem('order_not_in_state', `The order is ${row.state}: only what is authorized can be taken.`);
      const { amount, reason } = request.body;
      if (amount !== undefined && amount > row.authorized_amount)
        throw badAmount(`must be at most the ${row.authorized_amount} that are authorized`);
      if (amount !== undefined) requireWhole(amount, row.currency);
      return tell(ctx, { ...request, row, name: ORDER_SIGNALS.capture, payload: amount === undefined ? {} : { amount }, reason });
    },
  });
}

/** Paid, and whoever ships has not taken it yet. */
function isHeld(row: OrderRow): boolean {
  return row.state === 'paid' && row.fulfilment_reference === null && row.ended_at === null;
}

interface Told {
  readonly auth: TenantCaller;
  readonly now: Date;
  readonly row: OrderRow;
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly reason: string | undefined;
}

async function tell(ctx: ApiContext, { auth, now, row, name, payload, reason }: Told): Promise<JsonReply> {
  const { tenantId, actor } = auth;
  const answer = await ctx.store.operations.signal({ tenantId, id: row.id, name, payload, actor, reason, now });
  if (name === ORDER_SIGNALS.reconcile) await readOthers(ctx, row, now);
  if (answer?.outcome === 'sent') return { status: 202, body: presentOrder(ctx, row) };
  if (name !== ORDER_SIGNALS.reconcile || row.intent_id === null)
    throw new HttpProblem('order_not_in_state', `The order is ${row.state}, and its work has ended or not begun.`);
  // Nobody works at it any more, so it is read like what the provider says happened.
  await ctx.store.system.checkout.receive([readingOf(row.intent_id, now)], now);
  await ctx.store.audit.write({
    tenantId,
    ...actor,
    at: now,
    action: 'order.reconcile.requested',
    target: `order/${row.id}`,
    operationId: row.id,
  });
  ctx.wakePayments?.();
  return { status: 202, body: presentOrder(ctx, row) };
}

/** Payments that somebody made elsewhere under the order’s name, for which a person must look. */
async function readOthers(ctx: ApiContext, { stuck }: OrderRow, now: Date): Promise<void> {
  if (stuck === null) return;
  const others = [stuck, ...(stuck.others ?? [])].flatMap(({ about }) => about ?? []);
  await ctx.store.system.checkout.receive(
    [...new Set(others)].map((id) => readingOf(id, now)),
    now,
  );
  ctx.wakePayments?.();
}

/** A payment is read like what the provider says something happened to. */
function readingOf(intentId: string, now: Date) {
  return { id: `reconcile:${intentId}:${now.getTime()}`, type: 'reconcile', about: { kind: 'intent', id: intentId } };
}
