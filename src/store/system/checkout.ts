import { type Kysely, sql } from 'kysely';
import type { CartWorkflowIdParts } from '../../contracts/pure/ids.ts';
import type { Database } from '../schema.ts';
import {
  abandonedOrders,
  abandonedRefunds,
  type ListedOrder,
  type OpenOrder,
  type OpenOrdersRequest,
  openOrders,
  refundedOrders,
} from './checkout-orders.ts';

/** What the payment provider said happened, as a hint to read an object again. */
export interface PaymentHint {
  readonly id: string;
  readonly type: string;
  readonly about: { readonly kind: string; readonly id: string };
  readonly intentId?: string | undefined;
}

export interface InboxRow {
  readonly eventId: string;
  readonly kind: string;
  readonly objectId: string;
  readonly intentId: string | null;
  readonly attempts: number;
}

export interface FoundAtProvider {
  readonly intents: readonly { readonly id: string; readonly status: string }[];
  readonly refunds: readonly { readonly id: string; readonly intentId: string }[];
}

export interface FoundStranger {
  readonly id: string;
  readonly state: string;
  readonly intentId: string;
}

const LEASE_MS = 30_000;
/** A statement takes no more than 65,535 values. */
const ROWS_AT_ONCE = 1_000;
const MAX_BACKOFF_MS = 300_000;
const KEEP_MS = 90 * 86_400_000; // 90 days

export interface SystemCheckoutStore {
  /** Keeps what the provider said, once for each event. Returns how many were new. */
  receive(hints: readonly PaymentHint[], now: Date): Promise<number>;
  /** Leases hints that nobody has acted on yet. */
  takeHints(limit: number, now: Date): Promise<InboxRow[]>;
  settleHint(eventId: string, outcome: string, now: Date): Promise<void>;
  /** Comes again later, the later the more often it did. */
  postponeHint(row: InboxRow, now: Date): Promise<void>;
  /** How many hints nobody has acted on, and when the oldest came. */
  inboxBacklog(): Promise<{ readonly count: number; readonly oldest: Date | undefined }>;
  /** Whether this process does what is done every so often by one. */
  takeTurn(name: string, everyMs: number, now: Date): Promise<boolean>;
  /** Such work was done to its end. */
  finishTurn(name: string, now: Date): Promise<void>;
  /** When that was last; undefined before the first time. */
  lastFinished(name: string): Promise<Date | undefined>;
  /** Orders whose payment may still change, and refunds under way, longest unchanged first. */
  openOrders(request: OpenOrdersRequest): Promise<ListedOrder[]>;
  /** Orders with a refund that was made since then, oldest first: the bank may send one back that has succeeded. */
  refundedOrders(since: Date, request: Omit<OpenOrdersRequest, 'before'>): Promise<ListedOrder[]>;
  /** Orders that go on although nobody works at them any more. */
  abandonedOrders(limit: number): Promise<OpenOrder[]>;
  /** Orders with refunds that the provider does not have and nobody works at any more. */
  abandonedRefunds(limit: number): Promise<OpenOrder[]>;
  /** Which of these no order and no refund of ours has: made elsewhere, or not noted yet. */
  unknownOf(made: FoundAtProvider): Promise<FoundStranger[]>;
  deleteHintsBefore(now: Date): Promise<void>;
  /** Carts whose workflow should have looked at them before this instant, longest overdue first. */
  overdueCarts(before: Date, limit: number): Promise<CartWorkflowIdParts[]>;
}

/** The inbox of the payment provider, and orders of all tenants that somebody must look at. */
export function createSystemCheckoutStore(db: Kysely<Database>): SystemCheckoutStore {
  return {
    receive: (hints, now) => receive(db, hints, now),
    takeHints: (limit, now) => takeHints(db, limit, now),

    async settleHint(eventId, outcome, now) {
      await db.updateTable('stripe_inbox').set({ processed_at: now, outcome }).where('event_id', '=', eventId).execute();
    },

    async postponeHint({ eventId, attempts }, now) {
      const due_at = new Date(now.getTime() + Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** Math.min(attempts, 10)));
      await db.updateTable('stripe_inbox').set({ due_at }).where('event_id', '=', eventId).execute();
    },

    async inboxBacklog() {
      const row = await db
        .selectFrom('stripe_inbox')
        .select((e) => [e.fn.countAll<string>().as('count'), e.fn.min('received_at').as('oldest')])
        .where('processed_at', 'is', null)
        .executeTakeFirstOrThrow();
      return { count: Number(row.count), oldest: row.oldest ?? undefined };
    },

    async takeTurn(name, everyMs, now) {
      const before = new Date(now.getTime() - everyMs);
      const { rows } = await sql`insert into job_turn (name, taken_at) values (${name}, ${now}::timestamptz)
        on conflict (name) do update set taken_at = excluded.taken_at where job_turn.taken_at <= ${before}::timestamptz returning 1`.execute(
        db,
      );
      return rows.length > 0;
    },

    async finishTurn(name, now) {
      await sql`insert into job_turn (name, taken_at) values (${finished(name)}, ${now}::timestamptz)
        on conflict (name) do update set taken_at = greatest(job_turn.taken_at, excluded.taken_at)`.execute(db);
    },

    async lastFinished(name) {
      const { rows } = await sql<{ at: Date }>`select taken_at as at from job_turn where name = ${finished(name)}`.execute(db);
      return rows[0]?.at;
    },

    openOrders: (request) => openOrders(db, request),
    refundedOrders: (since, request) => refundedOrders(db, since, request),
    abandonedOrders: (limit) => abandonedOrders(db, limit),
    abandonedRefunds: (limit) => abandonedRefunds(db, limit),
    unknownOf: (made) => unknownOf(db, made),
    overdueCarts: (before, limit) =>
      db
        .selectFrom('cart')
        .select(['tenant_id as tenantId', 'id as cartId', 'keeper'])
        .where('is_kept', '=', true)
        .where('wakes_at', '<', before)
        .orderBy('wakes_at')
        .limit(limit)
        .execute(),

    async deleteHintsBefore(now) {
      await db
        .deleteFrom('stripe_inbox')
        .where('processed_at', '<', new Date(now.getTime() - KEEP_MS))
        .execute();
    },
  };
}

function finished(name: string): string {
  return `${name}:finished`;
}

async function receive(db: Kysely<Database>, hints: readonly PaymentHint[], now: Date): Promise<number> {
  const rows = hints.map(({ id, type, about, intentId }) => ({
    event_id: id,
    type,
    object_kind: about.kind,
    object_id: about.id,
    intent_id: intentId ?? null,
    received_at: now,
    due_at: now,
    processed_at: null,
    outcome: null,
  }));
  let added = 0;
  for (let index = 0; index < rows.length; index += ROWS_AT_ONCE) {
    const result = await db
      .insertInto('stripe_inbox')
      .values(rows.slice(index, index + ROWS_AT_ONCE))
      .onConflict((conflict) => conflict.column('event_id').doNothing())
      .executeTakeFirst();
    added += Number(result.numInsertedOrUpdatedRows ?? 0);
  }
  return added;
}

async function takeHints(db: Kysely<Database>, limit: number, now: Date): Promise<InboxRow[]> {
  const rows = await db
    .with('due', (cte) =>
      cte
        .selectFrom('stripe_inbox')
        .select('event_id')
        .where('processed_at', 'is', null)
        .where('due_at', '<=', now)
        .orderBy('due_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .updateTable('stripe_inbox')
    .from('due')
    .set((e) => ({ due_at: new Date(now.getTime() + LEASE_MS), attempts: e('stripe_inbox.attempts', '+', 1) }))
    .whereRef('stripe_inbox.event_id', '=', 'due.event_id')
    .returning([
      'stripe_inbox.event_id as eventId',
      'stripe_inbox.object_kind as kind',
      'stripe_inbox.object_id as objectId',
      'stripe_inbox.intent_id as intentId',
      'stripe_inbox.attempts as attempts',
    ])
    .execute();
  return rows;
}

async function unknownOf(db: Kysely<Database>, { intents, refunds }: FoundAtProvider): Promise<FoundStranger[]> {
  const found = [
    ...intents.map(({ id, status }) => ({ id, state: status, intentId: id })),
    ...refunds.map((refund) => ({ ...refund, state: 'refund' })),
  ];
  if (found.length === 0) return [];
  const among = (column: string) => sql<boolean>`${sql.ref(column)} = any(${found.map(({ id }) => id)}::text[])`;
  const known = await db
    .selectFrom('checkout_order')
    .select('intent_id as id')
    .where(among('intent_id'))
    .unionAll(db.selectFrom('payment_refund').select('provider_id as id').where(among('provider_id')))
    .execute();
  const isKnown = new Set(known.map(({ id }) => id));
  return found.filter(({ id }) => !isKnown.has(id));
}
