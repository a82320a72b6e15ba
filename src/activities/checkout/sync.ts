import type { Answer, PaymentEvent, PaymentIntent, PaymentPage, Payments, Refund } from '../../adapters/payments.ts';
import { isOrderId } from '../../contracts/pure/checkout.ts';
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

export interface Made {
  readonly intents: readonly { readonly id: string; readonly status: string }[];
  readonly refunds: readonly { readonly id: string; readonly intentId: string }[];
}

const MAX_LISTED = 1_000;
/** After weeks in which nobody has listened there may be many. */
const MAX_CAUGHT_UP = 20_000;

export interface PaymentSyncDeps {
  readonly store: Store;
  readonly payments: Payments;
  /** How long a buyer may take to pay. */
  readonly payWithinMs: number;
}

/** Reads payments at the provider and merges what it says. Only reads there, so it may be done at any time and by anybody. */
export function createPaymentSync({ store, payments, payWithinMs }: PaymentSyncDeps) {
  const merge = (request: SyncRequest, intent: PaymentIntent, ticket: number): Promise<OrderRow | undefined> => {
    const payUntil = new Date(request.now.getTime() + payWithinMs);
    return store.checkout.payments.applyIntent({ ...request, intent, ticket, payUntil });
  };

  /** An order’s payment, as it is now. */
  async function syncOrder(request: SyncRequest): Promise<Synced> {
    const { tenantId, orderId } = request;
    const order = await store.checkout.orders.get(tenantId, orderId);
    if (order === undefined || order.intent_id === null) return { outcome: 'none', ...(order === undefined ? {} : { order }) };
    const ticket = await store.checkout.payments.takeTicket(tenantId, orderId);
    const answer = await payments.retrieveIntent(order.intent_id);
    if (answer.outcome !== 'found') return { outcome: missing(answer), order };
    const merged = await merge(request, answer.value, ticket ?? 0);
    if (merged === undefined) return { outcome: 'none' };
    // More was given back than we know, or a refund has failed after all.
    const isOther = answer.value.charge !== undefined && answer.value.charge.refundedAmount !== merged.refunded_amount;
    return { outcome: 'merged', order: isOther ? ((await syncRefunds(request, answer.value.id)) ?? merged) : merged };
  }

  /** A payment that was just made known; what else there is of it is read in its turn. */
  async function makeKnown(request: SyncRequest, intent: PaymentIntent): Promise<OrderRow | undefined> {
    return merge(request, intent, 0);
  }

  /** All refunds of an order's payment, also those that somebody made elsewhere. */
  async function syncRefunds(request: SyncRequest, intentId: string): Promise<OrderRow | undefined> {
    let merged: OrderRow | undefined;
    for (const refund of (await refundsOf(payments, intentId, request)) ?? [])
      merged = (await store.checkout.payments.applyRefund({ ...request, refund })) ?? merged;
    return merged;
  }

  /** Whatever an event is about, found by the ids that it names. */
  async function syncIntent(intentId: string, now: Date): Promise<'merged' | 'foreign' | 'unavailable'> {
    const answer = await payments.retrieveIntent(intentId);
    if (answer.outcome !== 'found') return missing(answer);
    const { tenantId, orderId } = answer.value.owner;
    const request = { tenantId, orderId, now, tellsWorkflow: true };
    // No row can have an id of another form, and looking for one fails each time.
    const known = isOrderId(orderId) ? await makeKnown(request, answer.value) : undefined;
    if (known === undefined) {
      await store.checkout.strays.note(answer.value, now);
      return 'foreign';
    }
    if (known.intent_id !== null && known.intent_id !== intentId) {
      const refunds = await refundsOf(payments, intentId, request);
      if (refunds === undefined) return 'unavailable';
      await store.checkout.payments.applyOther({ ...request, intent: answer.value, refunds });
      return isBooked(answer.value) ? 'merged' : 'unavailable';
    }
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

  return {
    ...{ syncOrder, makeKnown, syncRefunds, syncHint },
    undelivered: (since: Date) => undelivered(payments, since),
    madeSince: (since: Date) => madeSince(payments, since),
  };
}

export type PaymentSync = ReturnType<typeof createPaymentSync>;

function missing(answer: Exclude<Answer<unknown>, { readonly outcome: 'found' }>): 'foreign' | 'unavailable' {
  return answer.outcome === 'unknown' ? 'unavailable' : 'foreign';
}

/** Whether the provider has told what the money that it took did to our balance, which may take it a moment. */
function isBooked({ receivedAmount, charge }: PaymentIntent): boolean {
  return receivedAmount === 0 || charge?.balance !== undefined;
}

/** Of the payment’s order, whatever the refunds themselves say of it. Undefined: they can't all be read right now. */
function refundsOf(payments: Payments, intentId: string, { tenantId, orderId }: SyncRequest): Promise<readonly Refund[] | undefined> {
  return allOf((page) => payments.listRefunds({ ...page, intentId, owner: { tenantId, orderId } }));
}

/** What happened since then and could not be delivered to us. */
function undelivered(payments: Payments, since: Date): Promise<readonly PaymentEvent[] | undefined> {
  return allOf((page) => payments.listEvents({ ...page, createdFrom: since.toISOString(), isUndelivered: true }), MAX_CAUGHT_UP);
}

/** What was made since then, by whomever: payments that bear our marks, and refunds of any payment. */
async function madeSince(payments: Payments, since: Date): Promise<Made | undefined> {
  const createdFrom = since.toISOString();
  const intents = await allOf((page) => payments.listIntents({ ...page, createdFrom }), MAX_CAUGHT_UP);
  const refunds = await allOf((page) => payments.listRefundNames({ ...page, createdFrom }), MAX_CAUGHT_UP);
  return intents === undefined || refunds === undefined
    ? undefined
    : { intents: intents.map(({ id, status }) => ({ id, status })), refunds };
}

/** All pages of a list, up to a limit; undefined when one of them can't be had. */
async function allOf<T>(
  list: (page: { readonly after?: string }) => Promise<Answer<PaymentPage<T>>>,
  limit = MAX_LISTED,
): Promise<readonly T[] | undefined> {
  const all: T[] = [];
  let after: string | undefined;
  do {
    const answer: Answer<PaymentPage<T>> = await list(after === undefined ? {} : { after });
    if (answer.outcome !== 'found') return undefined;
    all.push(...answer.value.items);
    after = answer.value.next;
  } while (after !== undefined && all.length < limit);
  return all;
}
