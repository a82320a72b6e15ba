import type { Kysely } from 'kysely';
import type { DispatchItem } from '../../contracts/bridge.ts';
import { callFunction } from '../database.ts';
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
      await callFunction(db, 'mark_dispatches', JSON.stringify(deliveries), now);
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
  const rows = await callFunction<DueRow>(db, 'take_due_dispatches', limit, now, leaseUntil);
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
