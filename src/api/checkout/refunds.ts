import { withoutCardNumbers } from '../../contracts/card-numbers.ts';
import { LedgerBalance } from '../../contracts/checkout/ledger.ts';
import { RefundBody, RefundPage } from '../../contracts/checkout/orders.ts';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import * as z from 'zod';
import { KINDS } from '../../contracts/kinds.ts';
import { PageQuery, UuidParams } from '../../contracts/routes.ts';
import type { ApiContext } from '../lib/context.ts';
import { readTimeCursor, timePage } from '../lib/pages.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { startedResponses, startOperation } from '../lib/start.ts';
import { EXAMPLE_REFUND, findOrder, presentRefund } from './present-order.ts';

const TAG = 'Checkout';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const kind = KINDS.refund;

/** Money that goes back, and what is in the books. */
export function refundRoutes(ctx: ApiContext): Route[] {
  return [refundRoute(ctx), listRoute(ctx), balanceRoute(ctx)];
}

function refundRoute(ctx: ApiContext): Route {
  return tenantRoute([kind.scopes.start], {
    method: 'post',
    path: '/v1/orders/{id}/refunds',
    operationId: 'refundOrder',
    summary: 'Give money back',
    description: 'A part of what was taken, or all that is left. Several are possible, together never more than was taken.',
    tag: TAG,
    feature: 'checkout',
    params: UuidParams,
    body: withoutCardNumbers(RefundBody),
    bodyOptional: true,
    bodyExample: { amount: 500, reason: 'requested_by_customer' },
    responses: startedResponses('refund'),
    problems: ['not_found', 'refund_too_large'],
    idempotent: true,
    needsKey: true,
    startsWork: true,
    async handler(request) {
      const { id: orderId } = await findOrder(ctx, request);
      return startOperation(ctx, { ...request, kind, input: { orderId, ...request.body }, start: {} });
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([CHECKOUT_SCOPES.read, kind.scopes.read], {
    method: 'get',
    path: '/v1/orders/{id}/refunds',
    operationId: 'listRefunds',
    summary: 'List the refunds of an order',
    description: 'Newest first; also those that undid an order.',
    tag: TAG,
    tokens: true,
    feature: 'checkout',
    params: UuidParams,
    query: z.object(PageQuery),
    responses: {
      200: { description: 'One page.', schema: RefundPage, example: { data: [EXAMPLE_REFUND], hasMore: false, nextCursor: null } },
    },
    problems: ['not_found', 'invalid_cursor'],
    async handler(request) {
      const { limit, cursor } = request.query;
      const order = await findOrder(ctx, request);
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, UUID) };
      const rows = await ctx.store.checkout.refunds.list(request.auth.tenantId, order.id, page);
      return { status: 200, body: timePage(rows, limit, (row) => presentRefund(row, order.currency)) };
    },
  });
}

function balanceRoute(ctx: ApiContext): Route {
  return tenantRoute([kind.scopes.read], {
    method: 'get',
    path: '/v1/ledger/balance',
    operationId: 'getLedgerBalance',
    summary: 'Look at the accounts',
    description: '`provider_clearing` is what the payment provider holds for the shop. Of each currency the accounts add up to 0.',
    tag: TAG,
    feature: 'checkout',
    responses: {
      200: {
        description: 'Every account in every currency.',
        schema: LedgerBalance,
        example: {
          object: 'ledgerBalance',
          accounts: [
            { account: 'provider_clearing', currency: 'EUR', balance: 4378 },
            { account: 'provider_fees', currency: 'EUR', balance: 92 },
            { account: 'revenue', currency: 'EUR', balance: -3757 },
            { account: 'tax_payable', currency: 'EUR', balance: -713 },
          ],
        },
      },
    },
    async handler({ auth }) {
      const rows = await ctx.store.checkout.ledger.balances(auth.tenantId);
      const accounts = rows.map(({ account, currency, balance }) => ({ account, currency, balance: Number(balance) }));
      return { status: 200, body: { object: 'ledgerBalance', accounts } };
    },
  });
}
