import * as z from 'zod';
import { withoutCardNumbers } from '../../contracts/card-numbers.ts';
import { CheckoutBody, Order, OrderPage, OrderQuery, PaymentBody } from '../../contracts/checkout/orders.ts';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { ORDER_SIGNALS } from '../../contracts/pure/checkout.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { ApiContext } from '../lib/context.ts';
import { openEventStream, readLastEventId } from '../lib/event-stream.ts';
import { readTimeCursor, timePage } from '../lib/pages.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, type TenantCaller, tenantRoute } from '../lib/route.ts';
import { answerStarted, requireKey, startedResponses } from '../lib/start.ts';
import { acceptOrder } from './accepting.ts';
import { findCart } from './carts.ts';
import { EXAMPLE_ORDER, findOrder, presentOrder } from './present-order.ts';

const TAG = 'Checkout';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const kind = KINDS.order;
const READ_SCOPES = [CHECKOUT_SCOPES.read, kind.scopes.read];
export const ORDER_RESPONSE = { schema: Order, example: EXAMPLE_ORDER } as const;

const STREAM_EXAMPLE = [
  'id: 1\nevent: step\ndata: {"state":"created","at":"2026-11-24T22:02:00.000Z"}\n',
  'id: 2\nevent: step\ndata: {"state":"paid","capturedAmount":4470,"refundedAmount":0,"at":"2026-11-24T22:02:01.000Z"}\n',
].join('\n');

/** From a cart to money, as its buyer sees it. */
export function orderRoutes(ctx: ApiContext): Route[] {
  return [checkoutRoute(ctx), listRoute(ctx), getRoute(ctx), streamRoute(ctx), payRoute(ctx)];
}

function checkoutRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'post',
    path: '/v1/carts/{id}/checkout',
    operationId: 'checkOut',
    summary: 'Order what is in a cart',
    description:
      'Puts the goods aside and makes one order, however often it is asked. With a payment method it is paid at once; without one the ' +
      'browser pays by the `payment` that the order shows.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    body: withoutCardNumbers(CheckoutBody),
    bodyExample: { quoteHash: 'kX9sV2m0aQ7tB4cE1fG6hw', paymentMethod: 'pm_card_visa' },
    responses: startedResponses('order'),
    problems: ['not_found', 'cart_changed', 'cart_not_sellable', 'cart_closed'],
    idempotent: true,
    needsKey: true,
    startsWork: true,
    async handler(request) {
      const { auth, body, params, idempotency, now } = request;
      await findCart(ctx, request);
      requireKey(kind, idempotency);
      const input = { cartId: params.id, ...body };
      const accepted = await acceptOrder(ctx)({
        ...{ tenantId: auth.tenantId, kind, input, start: {}, actor: auth.actor, idempotency, now },
      });
      if (accepted.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
      return answerStarted(ctx, accepted, request);
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(READ_SCOPES, {
    method: 'get',
    path: '/v1/orders',
    operationId: 'listOrders',
    summary: 'List orders',
    description: 'Newest first. `stuck=true` shows those that a person must look at.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    query: OrderQuery,
    responses: {
      200: { description: 'One page.', schema: OrderPage, example: { data: [EXAMPLE_ORDER], hasMore: false, nextCursor: null } },
    },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor, stuck, ...filter } }) {
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, UUID) };
      const wanted = { ...filter, ...(stuck === undefined ? {} : { isStuck: stuck === 'true' }), ...sightOf(auth) };
      const rows = await ctx.store.checkout.orders.list(auth.tenantId, wanted, page);
      return { status: 200, body: timePage(rows, limit, (row) => presentOrder(ctx, row)) };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return tenantRoute(READ_SCOPES, {
    method: 'get',
    path: '/v1/orders/{id}',
    operationId: 'getOrder',
    summary: 'Look at an order',
    description: '`payment` has what the payment provider’s form in a browser needs.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    responses: { 200: { description: 'The order.', ...ORDER_RESPONSE } },
    problems: ['not_found'],
    async handler(request) {
      return { status: 200, body: presentOrder(ctx, await findOrder(ctx, request)) };
    },
  });
}

function streamRoute(ctx: ApiContext): Route {
  return tenantRoute(READ_SCOPES, {
    method: 'get',
    path: '/v1/orders/{id}/stream',
    operationId: 'streamOrder',
    summary: 'News of an order as they happen',
    description:
      'Server-sent events, as those of operations: `step` tells a new state, a decline or what the buyer has to do; `done` comes when the ' +
      'order was cancelled, failed or was given back whole, and nothing after it. A client that comes back with `Last-Event-ID` misses none.',
    tag: TAG,
    tokens: true,
    tokenInQuery: true,
    feature: 'checkout',
    params: UuidParams,
    query: z.object({ lastEventId: z.string().max(15).optional().meta({ description: 'As the header `Last-Event-ID`.', example: '1' }) }),
    headers: { 'Last-Event-ID': 'The id of the last event that the client has.' },
    responses: {
      200: {
        description: 'Events, for as long as the order can change.',
        schema: z.string(),
        contentType: 'text/event-stream',
        example: STREAM_EXAMPLE,
      },
      204: { description: 'The client has all events, and no more will come.' },
    },
    problems: ['not_found'],
    async handler(request) {
      const row = await findOrder(ctx, request);
      const after = readLastEventId(request.lastEventId, request.query.lastEventId);
      return openEventStream(ctx, { streamId: row.stream_id, auth: request.auth, after });
    },
  });
}

function payRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.start], {
    method: 'post',
    path: '/v1/orders/{id}/payment',
    operationId: 'payOrder',
    summary: 'Pay an order with another payment method',
    description: 'For an order in `needs_payment_method`: after a decline, or when it was checked out without one.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    body: withoutCardNumbers(PaymentBody),
    bodyExample: { paymentMethod: 'pm_card_visa' },
    responses: { 202: { description: 'It is being tried.', ...ORDER_RESPONSE } },
    problems: ['not_found', 'order_not_in_state'],
    async handler(request) {
      const { auth, body, now } = request;
      const row = await findOrder(ctx, request);
      const at = { tenantId: auth.tenantId, orderId: row.id, now };
      const payUntil = new Date(now.getTime() + ctx.payWithinMs);
      const asked = await ctx.store.checkout.orders.askPayment(at, { paymentMethod: body.paymentMethod, payUntil });
      if (asked === undefined)
        throw new HttpProblem('order_not_in_state', `The order is ${row.state}; it can be paid while it is needs_payment_method.`);
      // The workflow that is not told finds it by itself.
      await ctx.store.operations.signal({
        ...{ tenantId: auth.tenantId, id: row.id, name: ORDER_SIGNALS.pay, payload: {} },
        actor: auth.actor,
        now,
      });
      return { status: 202, body: presentOrder(ctx, asked) };
    },
  });
}

/** Of a list, what is there for this caller. */
function sightOf({ kind: caller, subject, resources }: TenantCaller) {
  // No row has an empty owner, so a token without a subject would see nothing.
  return caller === 'token' ? { ownerSubject: subject ?? '', resources } : {};
}
