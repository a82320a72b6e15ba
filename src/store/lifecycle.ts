import { type Kysely, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { Kind } from '../contracts/kinds.ts';
import type { Closed, Opened, OperationStatus, Outcome, RunRef, TerminalStatus } from '../contracts/pure/operations.ts';
import { TENANT_SUBJECT } from './audit.ts';
import { callFunction, withTenant } from './database.ts';
import { type EffectEnd, endOf, type EffectRef } from './effects.ts';
import { endingOfCancelled } from './endings.ts';
import type { Database } from './schema.ts';

/** What the row of a cancel over REST says too. */
const LATE_CANCEL = 'operation.cancel.requested';

export interface OpenedRow {
  readonly input: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
  /** It has never run, and nobody refuses what the tenant sends: its effects may be claimed as they begin. */
  readonly isFresh: boolean;
}

export interface Mark {
  readonly status: 'running' | 'waiting';
  /** One word of the kind's own, snake_case. */
  readonly phase: string;
  readonly message?: string | undefined;
  readonly paused?: boolean | undefined;
}

export interface CloseRequest {
  readonly run: RunRef;
  readonly outcome: Outcome;
  /** Domain facts that become events of the platform in the same transaction. */
  readonly events?: readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[];
  /** Who ended it, for the audit row. Default: the workflow. */
  readonly actor?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** The workflow was asked to cancel, by whatever way; if it did not end so, the effect had won. */
  readonly cancelRequested?: boolean;
  /** Says how it ends when the workflow was stopped and can't. */
  readonly kind?: Kind | undefined;
}

/** What a run writes into its operation's row. Each compares run ids first, and each may be repeated. */
export function createLifecycleStore(db: Kysely<Database>) {
  /** `accepted → running` for this run, or the reason why there is nothing to do. */
  async function open(run: RunRef): Promise<Opened<OpenedRow>> {
    const parameters = parametersOf(run, { eventId: uuidv7(), auditId: uuidv7() });
    const [row] = await callFunction<{
      opened: boolean;
      status: OperationStatus;
      input: Readonly<Record<string, unknown>>;
      created_at: Date;
      fresh: boolean;
    }>(db, 'open_operation', parameters);
    if (row === undefined) throw new Error('open_operation gave no row');
    if (!row.opened) return { opened: false, status: row.status };
    return { opened: true, value: { input: row.input, createdAt: row.created_at, isFresh: row.fresh } };
  }

  /** A stored step that people see. Returns the status the row has now: `cancelling` stays what it is. */
  async function mark(run: RunRef, step: Mark): Promise<OperationStatus> {
    const [row] = await callFunction<{ mark_operation: OperationStatus }>(db, 'mark_operation', parametersOf(run, { ...step }));
    if (row === undefined) throw new Error('mark_operation gave no row');
    return row.mark_operation;
  }

  /** Ends the operation as the workflow says, unless a cancel would overtake an effect that is being sent. */
  async function close(request: CloseRequest): Promise<Closed> {
    const { run } = request;
    const wasStopped = request.outcome.status === 'cancelled' && request.outcome.result === undefined;
    const outcome = wasStopped ? await endingOfCancelled(db, request.kind, { ...run, now: new Date(run.nowMs) }) : request.outcome;
    const cancelRequested = request.cancelRequested === true || request.outcome.status === 'cancelled';
    const parameters = parametersOf(run, closingOf({ ...request, outcome, cancelRequested }));
    const [row] = await callFunction<{ closed: boolean; status: TerminalStatus; retry_in_ms: number | null; seconds: number }>(
      db,
      'close_operation',
      parameters,
    );
    if (row === undefined) throw new Error('close_operation gave no row');
    if (row.closed && cancelRequested && row.status !== 'cancelled') await recordLateCancel(db, run);
    return row.closed ? { closed: true, status: row.status, seconds: row.seconds } : { closed: false, retryInMs: row.retry_in_ms ?? 0 };
  }

  /** Ends the operation together with its only effect, in one transaction. Without a fence somebody else had settled the effect. */
  async function closeWithEffect(request: CloseRequest, ref: EffectRef, how: EffectEnd): Promise<ClosedWithEffect> {
    const parameters = parametersOf(request.run, { ...closingOf(request), effect: endOf(ref, how) });
    const [row] = await callFunction<{ fence: number | null; closed: boolean; seconds: number | null }>(db, 'finish_effect', parameters);
    if (row === undefined) throw new Error('finish_effect gave no row');
    return { fence: row.fence ?? undefined, closed: row.closed, seconds: row.seconds ?? 0 };
  }

  return { open, mark, close, closeWithEffect };
}

export interface ClosedWithEffect {
  readonly fence: number | undefined;
  readonly closed: boolean;
  /** From the operation's start to its end. */
  readonly seconds: number;
}

export type LifecycleStore = ReturnType<typeof createLifecycleStore>;

/** A cancel that other tools asked for and that came too late. Written once; who asked over REST has a row already. */
async function recordLateCancel(db: Kysely<Database>, { tenantId, operationId, nowMs }: RunRef): Promise<void> {
  await withTenant(db, tenantId, (tx) =>
    sql`
      insert into audit_entry (id, tenant_id, at, actor, action, target, operation_id, subject, details)
      select ${uuidv7()}, o.tenant_id, ${new Date(nowMs)}, 'temporal', ${LATE_CANCEL}, 'operation/' || o.id, o.id, ${TENANT_SUBJECT},
        jsonb_build_object('rejected', o.cancel_rejected)
      from operation o
      where o.id = ${operationId} and o.cancel_requested_at is null and o.cancel_rejected is not null
        and not exists (select from audit_entry a where a.operation_id = o.id and a.action = ${LATE_CANCEL})`.execute(tx),
  );
}

function closingOf({ outcome, events = [], actor = 'workflow', details, cancelRequested = false }: CloseRequest) {
  return {
    status: outcome.status,
    result: outcome.result ?? null,
    error: 'error' in outcome ? outcome.error : null,
    actor,
    details,
    cancelRequested,
    eventId: uuidv7(),
    auditId: uuidv7(),
    events: events.map((event) => ({ ...event, id: uuidv7() })),
  };
}

function parametersOf(run: RunRef, more: Readonly<Record<string, unknown>>): string {
  const { tenantId, operationId, runId, nowMs } = run;
  return JSON.stringify({ tenantId, operationId, runId, now: new Date(nowMs), reopenAuditId: uuidv7(), ...more });
}
