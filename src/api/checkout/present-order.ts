import type { Order, Refund } from '../../contracts/checkout/orders.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import type { RefundRow } from '../../store/checkout/refund-rows.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { TenantCaller } from '../lib/route.ts';

export const EXAMPLE_ORDER: Order = {
  id: '019ab6a0-7c00-7000-8000-000000000001',
  object: 'order',
  createdAt: '2026-11-24T22:02:00.000Z',
  updatedAt: '2026-11-24T22:02:01.000Z',
  operationId: '019ab6a0-7c00-7000-8000-000000000001',
  cartId: '019ab6a0-7c00-7000-8000-000000000003',
  state: 'paid',
  currency: 'EUR',
  lines: [{ sku: 'brass-gear', name: 'Brass gear, 24 teeth', quantity: 2, unitAmount: 1990, amount: 3980, taxAmount: 635 }],
  shippingAmount: 490,
  taxAmount: 713,
  totalAmount: 4470,
  authorizedAmount: 4470,
  capturedAmount: 4470,
  refundedAmount: 0,
  captureMethod: 'automatic',
  payment: { clientSecret: 'pi_3Qx_secret_7b', publishableKey: 'pk_test_1' },
  receiptId: '019ab6a0-7c00-7000-8000-000000000002',
  fulfilmentReference: 'demo-5f2b1c77aa01',
};

export const EXAMPLE_REFUND: Refund = {
  id: '019ab6a0-7c00-7000-8000-000000000004',
  object: 'refund',
  createdAt: '2026-11-24T23:00:00.000Z',
  updatedAt: '2026-11-24T23:00:01.000Z',
  orderId: '019ab6a0-7c00-7000-8000-000000000001',
  money: { amount: 500, currency: 'EUR' },
  state: 'succeeded',
  reason: 'requested_by_customer',
};

interface OrderRequest {
  readonly auth: TenantCaller;
  readonly params: { readonly id: string };
}

/** @throws {HttpProblem} not_found, also for an order that is somebody else's. A cart's token covers the orders made from it. */
export async function findOrder(ctx: ApiContext, { auth, params }: OrderRequest): Promise<OrderRow> {
  const row = await ctx.store.checkout.orders.get(auth.tenantId, params.id);
  if (row === undefined || !seesOrder(auth, row)) throw new HttpProblem('not_found');
  return row;
}

function seesOrder({ kind, subject, resources }: TenantCaller, row: OrderRow): boolean {
  if (kind !== 'token') return true;
  if (subject === undefined || row.owner_subject !== subject) return false;
  return resources === undefined || resources.includes(`order/${row.id}`) || resources.includes(`cart/${row.cart_id}`);
}

/** An order as every route shows it. */
export function presentOrder(ctx: Pick<ApiContext, 'payments'>, row: OrderRow): Order {
  return {
    id: row.id,
    object: 'order',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    operationId: row.id,
    cartId: row.cart_id,
    state: row.state,
    currency: row.currency,
    lines: [...row.lines],
    shippingAmount: row.shipping_amount,
    taxAmount: row.tax_amount,
    totalAmount: row.total_amount,
    authorizedAmount: row.authorized_amount,
    capturedAmount: row.captured_amount,
    refundedAmount: row.refunded_amount,
    captureMethod: row.capture_method,
    payment: {
      ...(row.client_secret === null ? {} : { clientSecret: row.client_secret }),
      publishableKey: ctx.payments.publishableKey,
      ...(row.next_action === null ? {} : { nextAction: row.next_action }),
      ...(row.decline === null ? {} : { declined: { code: row.decline.code, message: row.decline.text } }),
    },
    ...(row.receipt_id === null ? {} : { receiptId: row.receipt_id }),
    ...(row.fulfilment_reference === null ? {} : { fulfilmentReference: row.fulfilment_reference }),
    ...(row.stuck === null ? {} : { stuck: row.stuck }),
    ...(row.owner_subject === null ? {} : { ownerSubject: row.owner_subject }),
  };
}

export function presentRefund(row: RefundRow, currency: string): Refund {
  return {
    id: row.id,
    object: 'refund',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    orderId: row.order_id,
    money: { amount: row.amount, currency },
    state: row.state,
    // Written from the contract’s own list.
    ...(row.reason === null ? {} : { reason: row.reason as NonNullable<Refund['reason']> }),
    ...(row.failure_reason === null ? {} : { failureReason: row.failure_reason }),
  };
}
