import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { TERMINAL_STATUSES } from '../../contracts/pure/operations.ts';
import type { Database } from '../schema.ts';

export interface OpenOperation {
  readonly id: string;
  readonly tenantId: string;
  readonly kind: string;
  readonly rootId: string;
  readonly attempt: number;
  readonly workflowId: string;
  readonly runId: string | null;
  readonly status: string;
  readonly isStuck: boolean;
}

interface TakeUnchecked {
  readonly before: Date;
  readonly now: Date;
  readonly limit: number;
}

export interface SystemOperationsStore {
  /** Opened operations that nobody has looked at since `before`, longest ago first; marks them as looked at. */
  takeUnchecked(request: TakeUnchecked): Promise<OpenOperation[]>;
  /** Of the operations behind these workflow ids, those that have ended after a run had opened them. */
  endedOf(workflowIds: readonly string[]): Promise<OpenOperation[]>;
  setStuck(id: string, stuck: { readonly reason: string; readonly since: Date } | null): Promise<void>;
  /** Open operations by kind, for the metrics. */
  countOpen(): Promise<readonly { readonly kind: string; readonly count: number; readonly oldest: Date }[]>;
  /** Deletes idempotency keys older than `before` whose operation is gone or was never one. */
  deleteIdempotencyBefore(before: Date): Promise<number>;
}

const COLUMNS = ['id', 'tenant_id', 'kind', 'root_id', 'attempt', 'workflow_id', 'run_id', 'status', 'stuck'] as const;

/** Operations of all tenants, for the sweep. What it then changes, it changes as the row's tenant. */
export function createSystemOperationsStore(db: Kysely<Database>): SystemOperationsStore {
  return {
    takeUnchecked: (request) => takeUnchecked(db, request),

    async endedOf(workflowIds) {
      const rows = await db
        .selectFrom('operation')
        .select(COLUMNS)
        .where(sql<boolean>`workflow_id = any(${[...workflowIds]}::text[])`)
        .where('status', 'in', TERMINAL_STATUSES)
        .where('run_id', 'is not', null)
        .execute();
      return rows.map(toOpenOperation);
    },

    async setStuck(id, stuck) {
      await db
        .updateTable('operation')
        .set({ stuck: stuck === null ? null : JSON.stringify(stuck) })
        .where('id', '=', id)
        .where('status', 'in', ['running', 'waiting', 'cancelling'])
        .execute();
    },

    async countOpen() {
      return db
        .selectFrom('operation')
        .select((e) => ['kind', e.fn.countAll<number>().as('count'), e.fn.min('created_at').as('oldest')])
        .where('status', 'in', ['running', 'waiting', 'cancelling'])
        .groupBy('kind')
        .execute();
    },

    async deleteIdempotencyBefore(before) {
      const done = await db
        .deleteFrom('idempotency')
        .where('created_at', '<', before)
        .where((e) =>
          e.or([
            e('object_type', '<>', 'operation'),
            e.not(
              e.exists(
                e
                  .selectFrom('operation')
                  .select('id')
                  .where(sql<boolean>`operation.id::text = idempotency.object_id`),
              ),
            ),
          ]),
        )
        .executeTakeFirst();
      return Number(done.numDeletedRows);
    },
  };
}

async function takeUnchecked(db: Kysely<Database>, request: TakeUnchecked): Promise<OpenOperation[]> {
  // Started, and not opened: the workflow may have been ended by an operator's tool before its first step.
  const unopened = await takeStale(db, request, (stale) =>
    stale
      .where('status', 'in', ['accepted', 'scheduled'])
      .where(sql<boolean>`coalesce(start_at, created_at) <= ${request.before}::timestamptz`)
      .where((e) =>
        e.exists(
          e
            .selectFrom('dispatch')
            .select('dispatch.id')
            .whereRef('dispatch.operation_id', '=', 'operation.id')
            .where('dispatch.verb', '=', 'start')
            .where('dispatch.delivered_at', '<=', request.before),
        ),
      )
      .orderBy(sql`coalesce(start_at, created_at)`),
  );
  const opened = await takeStale(db, request, (stale) =>
    stale.where('status', 'in', ['running', 'waiting', 'cancelling']).orderBy(sql`checked_at nulls first`),
  );
  return [...unopened, ...opened];
}

type OperationQuery = SelectQueryBuilder<Database, 'operation', { id: string }>;

/** Those of the chosen that nobody has looked at for a while, marked as looked at now. */
async function takeStale(
  db: Kysely<Database>,
  { before, now, limit }: TakeUnchecked,
  choose: (query: OperationQuery) => OperationQuery,
): Promise<OpenOperation[]> {
  const rows = await db
    .with('stale', (cte) =>
      choose(cte.selectFrom('operation').select('id'))
        .where(sql<boolean>`coalesce(checked_at, updated_at) <= ${before}::timestamptz`)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .updateTable('operation')
    .from('stale')
    .set({ checked_at: now })
    .whereRef('operation.id', '=', 'stale.id')
    .returning(COLUMNS.map((column) => `operation.${column}` as const))
    .execute();
  return rows.map(toOpenOperation);
}

function toOpenOperation(row: {
  id: string;
  tenant_id: string;
  kind: string;
  root_id: string;
  attempt: number;
  workflow_id: string;
  run_id: string | null;
  status: string;
  stuck: unknown;
}): OpenOperation {
  const { id, tenant_id: tenantId, kind, root_id: rootId, attempt, workflow_id: workflowId, run_id: runId, status } = row;
  return { id, tenantId, kind, rootId, attempt, workflowId, runId, status, isStuck: row.stuck !== null };
}
