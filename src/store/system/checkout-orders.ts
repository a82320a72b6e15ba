import { type Kysely, sql } from 'kysely';
import { TERMINAL_STATUSES } from '../../contracts/pure/operations.ts';
import type { Database } from '../schema.ts';

/** An order of whichever tenant. */
export interface OpenOrder {
  readonly tenantId: string;
  readonly orderId: string;
}

/** An order in the list of open ones. */
export interface ListedOrder extends OpenOrder {
  /** As the database writes it, to the microsecond. */
  readonly changedAt: string;
}

/** A page of open orders. */
export interface OpenOrdersRequest {
  /** Changed no later than this. */
  readonly before: Date;
  /** Those that come after this one. */
  readonly after: ListedOrder | undefined;
  readonly limit: number;
}

/** Orders whose payment may still change, and refunds under way, longest unchanged first. */
export async function openOrders(db: Kysely<Database>, { before, after, limit }: OpenOrdersRequest): Promise<ListedOrder[]> {
  return db
    .selectFrom('checkout_order as o')
    .select(['o.tenant_id as tenantId', 'o.id as orderId', sql<string>`o.updated_at::text`.as('changedAt')])
    .where('o.intent_id', 'is not', null)
    .where('o.updated_at', '<=', before)
    .where((e) =>
      e.or([
        e('o.state', 'in', ['created', 'needs_payment_method', 'needs_action', 'processing', 'authorized', 'unknown']),
        e.exists(
          e
            .selectFrom('payment_refund as r')
            .select('r.id')
            .whereRef('r.order_id', '=', 'o.id')
            .where('r.state', 'in', ['pending', 'unknown']),
        ),
      ]),
    )
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(o.updated_at, o.id) > (${after?.changedAt}::timestamptz, ${after?.orderId}::uuid)`),
    )
    .orderBy('o.updated_at')
    .orderBy('o.id')
    .limit(limit)
    .execute();
}

/** Orders with a refund that succeeded and was made since then, oldest first. */
export async function refundedOrders(
  db: Kysely<Database>,
  since: Date,
  { after, limit }: Omit<OpenOrdersRequest, 'before'>,
): Promise<ListedOrder[]> {
  return db
    .selectFrom('payment_refund as r')
    .select(['r.tenant_id as tenantId', 'r.order_id as orderId', sql<string>`max(r.created_at)::text`.as('changedAt')])
    .where('r.state', '=', 'succeeded')
    .where('r.created_at', '>=', since)
    .groupBy(['r.tenant_id', 'r.order_id'])
    .$if(after !== undefined, (query) =>
      query.having(sql<boolean>`(max(r.created_at), r.order_id) > (${after?.changedAt}::timestamptz, ${after?.orderId}::uuid)`),
    )
    .orderBy(sql`max(r.created_at)`)
    .orderBy('r.order_id')
    .limit(limit)
    .execute();
}

/** Whether an order `o` is not listed for this reason. */
function isNotStuck(reason: string) {
  const [first, other] = [JSON.stringify({ reason }), JSON.stringify({ others: [{ reason }] })];
  return sql<boolean>`(o.stuck is null or not (o.stuck @> ${first}::jsonb or o.stuck @> ${other}::jsonb))`;
}

/** Whether nothing of the buyer’s money is left with an order `o`, whoever gave it back. */
const isAllBack = sql<boolean>`(o.captured_amount = 0 and o.intent_status = 'cancelled')
  or (o.captured_amount > 0 and o.captured_amount <= o.refunded_amount)`;

/** Orders that go on although nobody works at them: cancelled before their workflow began, or terminated by an operator’s tool; those that wait for a person once that has given all back. */
export async function abandonedOrders(db: Kysely<Database>, limit: number): Promise<OpenOrder[]> {
  return db
    .selectFrom('checkout_order as o')
    .innerJoin('operation as p', 'p.id', 'o.id')
    .select(['o.tenant_id as tenantId', 'o.id as orderId'])
    .where('p.status', 'in', ['failed', 'cancelled', 'expired', 'unknown'])
    .where('o.ended_at', 'is', null)
    .where((e) => e.or([isNotStuck('operation_ended'), isAllBack]))
    .orderBy('o.updated_at')
    .limit(limit)
    .execute();
}

/** Longest waiting first; those that are listed for a person are passed over. */
export async function abandonedRefunds(db: Kysely<Database>, limit: number): Promise<OpenOrder[]> {
  return db
    .selectFrom('payment_refund as r')
    .innerJoin('checkout_order as o', 'o.id', 'r.order_id')
    .select(['r.tenant_id as tenantId', 'r.order_id as orderId'])
    .where('r.provider_id', 'is', null)
    .where('r.state', '=', 'pending')
    .where(isNotStuck('refund_abandoned'))
    .where((e) =>
      e.not(
        e.exists(
          e
            .selectFrom('operation as p')
            .select('p.id')
            .whereRef('p.tenant_id', '=', 'r.tenant_id')
            .whereRef('p.root_id', '=', 'r.id')
            .where('p.status', 'not in', TERMINAL_STATUSES),
        ),
      ),
    )
    .orderBy('r.created_at')
    .limit(limit)
    .execute();
}
