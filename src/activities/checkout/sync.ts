import type { Answer, PaymentEvent, PaymentIntent, PaymentPage, Payments, Refund } from '../../adapters/payments.ts';
import type { Store } from '../../store/index.ts';
import type { OrderRow } from '../../store/checkout/merge.ts';

export interface SyncRequest {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
  /** Whether the order’s workflow is told of what has changed. */
  readonly tellsWorkflow: boolean;
}

/** `none`: there is no payment yet. `unavailable`: ask again later. */
export type Synced =
  | { readonly outcome: 'merged'; readonly order: OrderRow }
  | { readonly outcome: 'none' | 'foreign' | 'unavailable'; readonly order?: OrderRow };

export interface Hint {
  readonly kind: string;
  readonly objectId: string;
  readonly intentId: string | null;
}

const MAX_UNDELIVERED = 1_000;

/** Reads payments at the provider and merges what it says. Only reads there, so it may be done at any time and by anybody. */
export function createPaymentSync({ store, payments }: { readonly store: Store; readonly payments: Payments }) {
  /** An order’s payment, as it is now. */
  async function syncOrder(request: SyncRequest): Promise<Synced> {
    const { tenantId, orderId } = request;
    const order = await store.checkout.orders.get(tenantId, orderId);
    if (order === undefined || order.intent_id === null) return { outcome: 'none', ...(order === undefined ? {} : { order }) };
    const ticket = await store.checkout.payments.takeTicket(tenantId, orderId);
    const answer = await payments.retrieveIntent(order.intent_id);
    if (answer.outcome !== 'found') return { outcome: missing(answer), order };
    const merged = await store.checkout.payments.applyIntent({ ...request, intent: answer.value, ticket: ticket ?? 0 });
    if (merged === undefined) return { outcome: 'none' };
    const isAhead = answer.value.charge !== undefined && answer.value.charge.refundedAmount > merged.refunded_amount;
    return { outcome: 'merged', order: isAhead ? ((await syncRefunds(request, answer.value.id)) ?? merged) : merged };
  }

  /** A payment that was just made known; what else there is of it is read in its turn. */
  async function makeKnown(request: SyncRequest, intent: PaymentIntent): Promise<OrderRow | undefined> {
    return store.checkout.payments.applyIntent({ ...request, intent, ticket: 0 });
  }

  /** All refunds of a payment. */
  async function syncRefunds(request: SyncRequest, intentId: string): Promise<OrderRow | undefined> {
    let merged: OrderRow | undefined;
    let after: string | undefined;
    do {
      const answer: Answer<PaymentPage<Refund>> = await payments.listRefunds({
        intentId,
        ...(after === undefined ? {} : { after }),
      });
      if (answer.outcome !== 'found') return merged;
      for (const refund of answer.value.items)
        if (refund.owner.orderId === request.orderId)
          merged = (await store.checkout.payments.applyRefund({ ...request, refund })) ?? merged;
      after = answer.value.next;
    } while (after !== undefined);
    return merged;
  }

  /** Whatever an event is about, found by the ids that it names. */
  async function syncIntent(intentId: string, now: Date): Promise<'merged' | 'foreign' | 'unavailable'> {
    const answer = await payments.retrieveIntent(intentId);
    if (answer.outcome !== 'found') return missing(answer);
    const { tenantId, orderId } = answer.value.owner;
    const request = { tenantId, orderId, now, tellsWorkflow: true };
    if ((await makeKnown(request, answer.value)) === undefined) return 'foreign';
    const synced = await syncOrder(request);
    if (synced.outcome === 'merged') await syncRefunds(request, intentId);
    return synced.outcome === 'merged' ? 'merged' : 'unavailable';
  }

  /** What an event was about. */
  async function syncHint({ kind, objectId, intentId }: Hint, now: Date): Promise<'merged' | 'foreign' | 'unavailable'> {
    if (intentId !== null || kind === 'intent') return syncIntent(intentId ?? objectId, now);
    if (kind !== 'refund') return 'foreign';
    const answer = await payments.retrieveRefund(objectId);
    return answer.outcome === 'found' ? syncIntent(answer.value.intentId, now) : missing(answer);
  }

  return { syncOrder, makeKnown, syncRefunds, syncHint, undelivered: (since: Date) => undelivered(payments, since) };
}

export type PaymentSync = ReturnType<typeof createPaymentSync>;

function missing(answer: Exclude<Answer<unknown>, { readonly outcome: 'found' }>): 'foreign' | 'unavailable' {
  return answer.outcome === 'unknown' ? 'unavailable' : 'foreign';
}

/** What happened since then and could not be delivered to us. */
async function undelivered(payments: Payments, since: Date) {
  const hints: PaymentEvent[] = [];
  let after: string | undefined;
  do {
    const answer: Answer<PaymentPage<PaymentEvent>> = await payments.listEvents({
      createdFrom: since.toISOString(),
      isUndelivered: true,
      ...(after === undefined ? {} : { after }),
    });
    if (answer.outcome !== 'found') return undefined;
    hints.push(...answer.value.items);
    after = answer.value.next;
  } while (after !== undefined && hints.length < MAX_UNDELIVERED);
  return hints;
}
