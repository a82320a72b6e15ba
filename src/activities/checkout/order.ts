import { ApplicationFailure } from '@temporalio/common';
import type { OrderView } from '../../contracts/pure/checkout.ts';
import type { Opened, RunRef } from '../../contracts/pure/operations.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';
import type { OrderStep } from '../../store/checkout/orders.ts';
import type { Store } from '../../store/index.ts';
import { noteRefusal } from './refusals.ts';

export interface HoldRequest {
  readonly run: RunRef;
  readonly untilMs: number;
}

export interface RefusedRequest {
  readonly run: RunRef;
  /** As it was sent, by whatever tool. */
  readonly asked: unknown;
}

export interface StuckRequest {
  readonly run: RunRef;
  /** snake_case. */
  readonly reason: string;
}

export interface EndOrderRequest {
  readonly run: RunRef;
  readonly state: 'cancelled' | 'failed';
  /** Why, as a code. */
  readonly code: string;
}

export interface OrderActivityDeps {
  readonly store: Store;
  /** What a workflow may know of an order’s row. */
  readonly viewOf: (row: OrderRow) => OrderView;
}

/** Steps of an order in our own database. All are local activities, and each may be repeated. */
export function createOrderActivities({ store, viewOf }: OrderActivityDeps) {
  const { orders } = store.checkout;

  async function openOrder(run: RunRef): Promise<Opened<OrderView>> {
    const opened = await store.lifecycle.open(run);
    return opened.opened ? { opened: true, value: await lookAtOrder({ run }) } : opened;
  }

  async function lookAtOrder({ run }: { readonly run: RunRef }): Promise<OrderView> {
    const row = await orders.get(run.tenantId, run.rootId);
    if (row === undefined) throw ApplicationFailure.nonRetryable('The order does not exist.', 'NotOpen');
    return viewOf(row);
  }

  return {
    openOrder,
    lookAtOrder,

    /** Keeps the pieces while the bank, or a person, takes time. */
    async keepStock({ run, untilMs }: HoldRequest) {
      await orders.keepHold(stepOf(run), new Date(untilMs));
      return {};
    },

    /** Takes the pieces out of the stock, once. `short`: what others have bought meanwhile. */
    async sellStock({ run }: { readonly run: RunRef }) {
      await orders.resumed(stepOf(run));
      return { short: await orders.sell(stepOf(run)) };
    },

    /** Notes that somebody asked for money to be taken in a way that is not understood. */
    async refuseCapture({ run, asked }: RefusedRequest) {
      await noteRefusal(store, { ...stepOf(run), what: 'capture', asked, why: 'not_understood' });
      return {};
    },

    /** Notes that somebody asked for an order to be taken back whose goods had been handed over. */
    async refuseVoid({ run }: { readonly run: RunRef }) {
      await noteRefusal(store, { ...stepOf(run), what: 'void', asked: { actor: 'workflow' }, why: 'handed_over' });
      return {};
    },

    /** A person must look. */
    async markOrderStuck({ run, reason }: StuckRequest) {
      await orders.stuck(stepOf(run), reason);
      return {};
    },

    async markOrderUnstuck({ run }: { readonly run: RunRef }) {
      await orders.unstuck(stepOf(run));
      return {};
    },

    /** Nobody can tell what became of the payment. */
    async leaveOrder({ run }: { readonly run: RunRef }) {
      await orders.leave(stepOf(run));
      return {};
    },

    /** Puts the pieces back and opens the cart again. */
    async endOrder({ run, state, code }: EndOrderRequest) {
      return viewOf(await orders.end(stepOf(run), { state, code }));
    },
  };
}

/** Where a step of this run happens, and when. */
export function stepOf({ tenantId, rootId, nowMs }: RunRef): OrderStep {
  return { tenantId, orderId: rootId, now: new Date(nowMs) };
}
