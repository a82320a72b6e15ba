import { StrayPaymentPage } from '../../contracts/checkout/stray-payments.ts';
import * as z from 'zod';
import { KINDS } from '../../contracts/kinds.ts';
import { timePageQuery } from '../../contracts/routes.ts';
import type { StrayPaymentRow } from '../../store/checkout/stray-payments.ts';
import type { ApiContext } from '../lib/context.ts';
import { readTimeCursor, timePage } from '../lib/pages.ts';
import { type Route, tenantRoute } from '../lib/route.ts';

const PROVIDER_ID = /^\w{1,255}$/;
const EXAMPLE = {
  ...{ id: 'pi_3QabcDEF', object: 'strayPayment', createdAt: '2026-11-24T12:00:00.000Z', status: 'succeeded' },
  ...{ orderId: '019ab6a0-7c00-7000-8000-000000000001', currency: 'EUR' },
  ...{ capturableAmount: 0, receivedAmount: 4470, refundedAmount: 0 },
};

/** Money that no order of ours accounts for. */
export function strayPaymentRoutes(ctx: ApiContext): Route[] {
  return [
    tenantRoute([KINDS.order.scopes.read], {
      method: 'get',
      path: '/v1/stray-payments',
      operationId: 'listStrayPayments',
      summary: 'List payments whose order is not there',
      description:
        'Money that was taken or reserved under our name, for an order that this installation does not have: after a restored backup, or ' +
        'because another installation uses the same account. Nothing is done to them. Give the money back at the provider; what holds ' +
        'nothing any more leaves the list.',
      tag: 'Checkout',
      feature: 'checkout',
      query: z.object(timePageQuery('pi_z')),
      responses: {
        200: { description: 'One page.', schema: StrayPaymentPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
      },
      problems: ['invalid_cursor'],
      async handler({ auth, query: { limit, cursor } }) {
        const page = { limit: limit + 1, cursor: readTimeCursor(cursor, PROVIDER_ID) };
        const rows = await ctx.store.checkout.strays.list(auth.tenantId, page);
        return { status: 200, body: timePage(rows, limit, present) };
      },
    }),
  ];
}

function present(row: StrayPaymentRow) {
  return {
    id: row.id,
    object: 'strayPayment',
    createdAt: row.created_at.toISOString(),
    orderId: row.order_id,
    status: row.status,
    currency: row.currency,
    capturableAmount: row.capturable_amount,
    receivedAmount: row.received_amount,
    refundedAmount: row.refunded_amount,
  };
}
