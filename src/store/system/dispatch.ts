import { type Kysely, sql } from 'kysely';
import type { DispatchItem } from '../../contracts/bridge.ts';
import type { Database } from '../schema.ts';

export interface Delivered {
  readonly id: string;
  /** `started`, `already_started`, `delivered`, `gone`. */
  readonly outcome: string;
}

export interface DispatchStore {
  /** Leases up to `limit` due rows: urgent first, and in turn by tenant. */
  takeDue(request: TakeRequest): Promise<DispatchItem[]>;
  markDelivered(deliveries: readonly Delivered[], now: Date): Promise<void>;
  /** Gives a row back after a failed delivery, due again later. */
  postpone(id: string, error: string, dueAt: Date): Promise<void>;
  /** What waits and is due, for the metrics: how many, and since when. */
  backlog(now: Date): Promise<{ readonly count: number; readonly oldest: Date | undefined }>;
}

export interface TakeRequest {
  readonly limit: number;
  readonly now: Date;
  readonly leaseMs: number;
}

interface DueRow {
  id: string;
  tenant_id: string;
  operation_id: string | null;
  workflow_id: string;
  workflow_type: string;
  task_queue: string;
  verb: DispatchItem['verb'];
  name: string | null;
  payload: Readonly<Record<string, unknown>>;
  priority: number;
  attempts: number;
}

/** Rows of all tenants, so it works with the system role. */
export function createDispatchStore(db: Kysely<Database>): DispatchStore {
  return {
    takeDue: (request) => takeDue(db, request),

    async markDelivered(deliveries, now) {
      if (deliveries.length === 0) return;
      const list = JSON.stringify(deliveries);
      await sql`update dispatch set delivered_at = ${now}::timestamptz, outcome = done.outcome, lease_until = null, last_error = null
        from jsonb_to_recordset(${list}::jsonb) as done(id uuid, outcome text)
        where dispatch.id = done.id and delivered_at is null`.execute(db);
    },

    async postpone(id, error, dueAt) {
      await db
        .updateTable('dispatch')
        .set({ lease_until: null, last_error: error, due_at: dueAt })
        .where('id', '=', id)
        .where('delivered_at', 'is', null)
        .execute();
    },

    async backlog(now) {
      const row = await db
        .selectFrom('dispatch')
        .select((e) => [e.fn.countAll<number>().as('count'), e.fn.min('due_at').as('oldest')])
        .where('delivered_at', 'is', null)
        .where('due_at', '<=', now)
        .executeTakeFirst();
      return { count: row?.count ?? 0, oldest: row?.oldest ?? undefined };
    },
  };
}

async function takeDue(db: Kysely<Database>, { limit, now, leaseMs }: TakeRequest): Promise<DispatchItem[]> {
  const leaseUntil = new Date(now.getTime() + leaseMs);
  // Walks the index tenant by tenant, urgency by urgency, so that the cost does not grow with what is not due or with one tenant's backlog.
  const { rows } = await sql<DueRow>`
    with recursive tenants as (
      (select tenant_id from dispatch where delivered_at is null order by tenant_id limit 1)
      union all
      select (select d.tenant_id from dispatch d where d.delivered_at is null and d.tenant_id > t.tenant_id order by d.tenant_id limit 1)
      from tenants t where t.tenant_id is not null
    ),
    due as (
      select d.id, d.priority, row_number() over (partition by d.tenant_id order by d.priority, d.due_at) as turn, d.due_at
      from tenants t
      cross join generate_series(1, 5) as urgency
      cross join lateral (
        select id, tenant_id, priority, due_at from dispatch
        where delivered_at is null and tenant_id = t.tenant_id and priority = urgency and due_at <= ${now}::timestamptz
          and (lease_until is null or lease_until <= ${now}::timestamptz)
        order by due_at limit ${limit}
      ) d
      where t.tenant_id is not null
    ),
    chosen as (
      select d.id from dispatch d join (select id, turn, priority, due_at from due order by turn, priority, due_at limit ${limit}) pick using (id)
      where d.delivered_at is null and (d.lease_until is null or d.lease_until <= ${now}::timestamptz)
        -- One workflow's rows go out in the order in which they were written.
        and not exists (select from dispatch older where older.workflow_id = d.workflow_id and older.delivered_at is null and older.id < d.id)
      order by pick.turn, pick.priority, pick.due_at
      for update of d skip locked
    )
    update dispatch set lease_until = ${leaseUntil}::timestamptz, attempts = attempts + 1 from chosen where dispatch.id = chosen.id
    returning dispatch.id, tenant_id, operation_id, workflow_id, workflow_type, task_queue, verb, name, payload, priority, attempts`.execute(
    db,
  );
  return rows.map(toItem);
}

function toItem(row: DueRow): DispatchItem {
  const {
    tenant_id: tenantId,
    operation_id: operationId,
    workflow_id: workflowId,
    workflow_type: workflowType,
    task_queue: taskQueue,
  } = row;
  const { id, verb, name, payload, priority, attempts } = row;
  return { id, tenantId, operationId, workflowId, workflowType, taskQueue, verb, name, payload, priority, attempts };
}
