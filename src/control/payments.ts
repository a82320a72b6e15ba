import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Store } from '../store/index.ts';
import type { FoundStranger, InboxRow, PaymentHint } from '../store/system/checkout.ts';
import { describeError, type Job, startJob } from './job.ts';
import { createRereading, inLanes, MAX_LOOK_BACK_MS, ORDERS_AT_ONCE } from './payment-rereading.ts';

const INBOX_POLL_MS = 1_000;
const HINTS_PER_TURN = 50;
const RECONCILE = 'payment-reconcile';
/** How far back it is looked beyond the last turn that was finished: what was made then may be listed late. */
const LOOK_BACK_MS = 3_600_000; // 1 h

/** Reads at the payment provider and merges what it says; given by the composition root. */
export interface PaymentReader {
  readonly syncHint: (hint: Pick<InboxRow, 'kind' | 'objectId' | 'intentId'>, now: Date) => Promise<'merged' | 'foreign' | 'unavailable'>;
  readonly syncOrder: (request: {
    readonly tenantId: string;
    readonly orderId: string;
    readonly now: Date;
    readonly tellsWorkflow: boolean;
  }) => Promise<unknown>;
  /** Events since then that did not reach us. Undefined: it can't be asked right now. */
  readonly undelivered: (since: Date) => Promise<readonly PaymentHint[] | undefined>;
  /** Payments that bear our marks, and refunds, whoever made them. Undefined: it can't be asked right now. */
  readonly madeSince: (since: Date) => Promise<
    | {
        readonly intents: readonly { readonly id: string; readonly status: string }[];
        readonly refunds: readonly { readonly id: string; readonly intentId: string }[];
      }
    | undefined
  >;
}

export interface PaymentJobsDeps {
  readonly store: Store;
  readonly payments: PaymentReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly reconcileMs: number;
}

export interface PaymentJobs extends AsyncDisposable {
  /** Something came into the inbox. */
  wake(): void;
}

/**
 * Acts on what the payment provider said, and, since it may not have been heard, compares every so often: events that were not delivered,
 * payments that may have changed, orders that nobody works at. Any number of processes may run these.
 */
export function startPaymentJobs(deps: PaymentJobsDeps): PaymentJobs {
  const inbox = startInbox(deps);
  const reconcile = startReconciler(deps, inbox);
  return {
    wake: inbox.wake,
    async [Symbol.asyncDispose]() {
      await reconcile[Symbol.asyncDispose]();
      await inbox[Symbol.asyncDispose]();
    },
  };
}

function startInbox({ store, payments, clock, log }: PaymentJobsDeps): Job {
  const { checkout } = store.system;

  async function act(row: InboxRow): Promise<void> {
    const outcome = await payments.syncHint(row, clock()).catch((error: unknown) => {
      // One that can't be acted on must not hold the others up.
      log.warn({ eventId: row.eventId, error: describeError(error) }, 'could not act on what the payment provider said');
      return 'unavailable' as const;
    });
    if (outcome === 'unavailable') await checkout.postponeHint(row, clock());
    else await checkout.settleHint(row.eventId, outcome, clock());
  }

  return startJob({
    name: 'payment-inbox',
    everyMs: INBOX_POLL_MS,
    log,
    async turn() {
      const rows = await checkout.takeHints(HINTS_PER_TURN, clock());
      // Many events are about one payment: read together, each would wait for the other.
      const byPayment = [...Map.groupBy(rows, (row) => row.intentId ?? row.objectId).values()];
      await inLanes(byPayment, (group) => inTurn(group, act));
      return rows.length === HINTS_PER_TURN;
    },
  });
}

/** What was found without having been told of it is acted on like what was told, once in each state. */
function hintOf({ id, state, intentId }: FoundStranger): PaymentHint {
  return { id: `found:${id}:${state}`, type: 'found', about: { kind: 'intent', id: intentId }, intentId };
}

async function inTurn<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await act(item);
}

function startReconciler({ store, payments, clock, log, reconcileMs }: PaymentJobsDeps, inbox: Job): Job {
  const { checkout } = store.system;
  const rereading = createRereading({ store, payments, reconcileMs });

  /** Nothing may be left out, however long nobody has looked. */
  async function lookFrom(now: Date): Promise<Date> {
    const lastMs = (await checkout.lastFinished(RECONCILE))?.getTime() ?? now.getTime() - 2 * reconcileMs;
    return new Date(Math.max(Math.min(lastMs, now.getTime()) - LOOK_BACK_MS, now.getTime() - MAX_LOOK_BACK_MS));
  }

  /** Whether all was asked for that there is. */
  async function catchUp(now: Date): Promise<boolean> {
    const since = await lookFrom(now);
    const hints = await payments.undelivered(since);
    const made = await payments.madeSince(since);
    const strange = made === undefined ? [] : (await checkout.unknownOf(made)).map(hintOf);
    if ((await checkout.receive([...(hints ?? []), ...strange], now)) > 0) inbox.wake();
    return hints !== undefined && made !== undefined;
  }

  async function endAbandoned(now: Date): Promise<void> {
    for (const { tenantId, orderId } of await checkout.abandonedOrders(ORDERS_AT_ONCE)) {
      const outcome = await store.checkout.orders.settleAbandoned({ tenantId, orderId, now });
      if (outcome === 'stuck') log.error({ tenantId, orderId }, 'an order has money or a payment, and nobody works at it any more');
    }
    for (const { tenantId, orderId } of await checkout.abandonedRefunds(ORDERS_AT_ONCE)) {
      // What the provider has of it is no longer abandoned.
      await payments.syncOrder({ tenantId, orderId, now, tellsWorkflow: true });
      const outcome = await store.checkout.refunds.settleAbandoned({ tenantId, orderId, now });
      if (outcome === 'stuck') log.error({ tenantId, orderId }, 'a refund may have been made, and nobody works at it any more');
    }
  }

  return startJob({
    name: RECONCILE,
    everyMs: Math.min(reconcileMs, 30_000),
    log,
    async turn() {
      const now = clock();
      await endAbandoned(now);
      if (!(await checkout.takeTurn(RECONCILE, reconcileMs, now))) return false;
      if (await catchUp(now)) await checkout.finishTurn(RECONCILE, now);
      await rereading.ofOpen(now);
      await rereading.ofRefunded(now);
      await checkout.deleteHintsBefore(now);
      return false;
    },
  });
}
