import type { Store } from '../store/index.ts';
import type { ListedOrder } from '../store/system/checkout-orders.ts';
import type { PaymentReader } from './payments.ts';

export const ORDERS_AT_ONCE = 200;
const ORDERS_PER_TURN = 1_000;
const AT_ONCE = 8;
/** The provider keeps events no longer, and by then a bank has sent back what it sends back. */
export const MAX_LOOK_BACK_MS = 30 * 86_400_000; // 30 days
const REFUNDED_EVERY_MS = 86_400_000; // 1 day

interface RereadingDeps {
  readonly store: Store;
  readonly payments: Pick<PaymentReader, 'syncOrder'>;
  readonly reconcileMs: number;
}

/** Payments that are read anew although nobody has said that anything happened to them. */
export function createRereading({ store, payments, reconcileMs }: RereadingDeps) {
  const { checkout } = store.system;
  let lastRead: ListedOrder | undefined;

  /** Reading an order need not change it: the next turn goes on where this one ends, or the same ones would be read for ever. */
  async function ofOpen(now: Date): Promise<void> {
    const before = new Date(now.getTime() - reconcileMs);
    for (let read = 0; read < ORDERS_PER_TURN; read += ORDERS_AT_ONCE) {
      const orders = await checkout.openOrders({ before, after: lastRead, limit: ORDERS_AT_ONCE });
      await inLanes(orders, (order) => rereadOne(order, now));
      lastRead = orders.length < ORDERS_AT_ONCE ? undefined : orders.at(-1);
      if (lastRead === undefined) return;
    }
  }

  async function rereadOne({ tenantId, orderId }: ListedOrder, now: Date): Promise<void> {
    await payments.syncOrder({ tenantId, orderId, now, tellsWorkflow: true });
    await store.checkout.refunds.settleAbandoned({ tenantId, orderId, now });
  }

  /** A bank may send a refund back that has succeeded, and the event that says so may never come to be. */
  async function ofRefunded(now: Date): Promise<void> {
    if (!(await checkout.takeTurn('payment-refunded', REFUNDED_EVERY_MS, now))) return;
    const since = new Date(now.getTime() - MAX_LOOK_BACK_MS);
    let after: ListedOrder | undefined;
    do {
      const orders: ListedOrder[] = await checkout.refundedOrders(since, { after, limit: ORDERS_AT_ONCE });
      await inLanes(orders, (order) => rereadOne(order, now));
      after = orders.length < ORDERS_AT_ONCE ? undefined : orders.at(-1);
    } while (after !== undefined);
  }

  return { ofOpen, ofRefunded };
}

/** All of them, a few at a time. */
export async function inLanes<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let index = 0; index < items.length; index += AT_ONCE) await Promise.all(items.slice(index, index + AT_ONCE).map(act));
}
