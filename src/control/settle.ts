import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Kinds } from '../contracts/kinds.ts';
import type { Outcome, RunRef } from '../contracts/pure/operations.ts';
import type { LifecycleStore } from '../store/lifecycle.ts';
import type { OpenOperation, SystemOperationsStore } from '../store/system/operations.ts';
import { beginAnew } from './begin-anew.ts';
import { describeWorkflow } from './described.ts';
import { type Job, startJob } from './job.ts';

const PER_SWEEP = 200;
const AT_ONCE = 8;
/** A workflow task that fails this often does so because of its code. */
const STUCK_ATTEMPTS = 3;
/** How far back a sweep looks for runs that began since the last one. */
const LOOK_BACK_MS = 120_000;
const LISTED_AT_ONCE = 500;
/** So many can't all wait for a sweep; a run that was reset also says so itself, at its next step. */
const MAX_LISTED = 20_000;

export interface SettleDeps {
  readonly operations: SystemOperationsStore;
  readonly lifecycle: LifecycleStore;
  readonly kinds: Kinds;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs: number;
  readonly onClosed: (closing: { readonly kind: string; readonly status: string; readonly seconds: number }) => void;
}

/**
 * Makes rows tell the truth about executions that ended, or began again, without their own bookkeeping: terminated, reset or deleted by
 * an operator's tool, or stuck in a workflow task that keeps failing.
 */
export function startSettleSweep(deps: SettleDeps): Job {
  return startJob({
    name: 'settle',
    everyMs: deps.everyMs,
    log: deps.log,
    async turn() {
      await reopenReset(deps);
      const now = deps.clock();
      const rows = await deps.operations.takeUnchecked({ before: new Date(now.getTime() - deps.everyMs), now, limit: PER_SWEEP });
      for (let index = 0; index < rows.length; index += AT_ONCE)
        await Promise.all(rows.slice(index, index + AT_ONCE).map((row) => settle(deps, row)));
      return rows.length === PER_SWEEP;
    },
  });
}

async function settle(deps: SettleDeps, row: OpenOperation): Promise<void> {
  const execution = await describeWorkflow(deps.client, row.workflowId);
  if (execution === undefined)
    return close(deps, { row, runId: row.runId ?? '', outcome: failed('execution_missing', 'The workflow does not exist any more.') });
  if (execution.status.name === 'RUNNING') return watch(deps, row, execution);
  const outcome = await outcomeOf(deps.client, row, execution);
  await close(deps, { row, runId: execution.runId, outcome });
}

async function watch({ operations, client, log }: SettleDeps, row: OpenOperation, execution: WorkflowExecutionDescription): Promise<void> {
  // The run that was asked to cancel may have been reset since.
  if (row.status === 'cancelling' && execution.raw.workflowExtendedInfo?.cancelRequested !== true)
    await client.workflow.getHandle(row.workflowId, execution.runId).cancel();
  const attempts = execution.raw.pendingWorkflowTask?.attempt ?? 0;
  const isStuck = attempts > STUCK_ATTEMPTS;
  if (isStuck === row.isStuck) return;
  const about = { operationId: row.id, tenantId: row.tenantId, workflowId: row.workflowId, attempts };
  if (isStuck && (await beginAnew(client, execution))) {
    log.warn(about, 'a workflow whose past could not be replayed begins anew');
    return;
  }
  await operations.setStuck(row.id, isStuck ? { reason: 'The workflow task keeps failing.', since: new Date() } : null);
  if (isStuck) log.error(about, 'a workflow is stuck');
}

/** How an execution that ended without closing its row ended. */
async function outcomeOf(client: Client, row: OpenOperation, execution: WorkflowExecutionDescription): Promise<Outcome> {
  switch (execution.status.name) {
    case 'COMPLETED':
      return resultOf(await client.workflow.getHandle(row.workflowId, execution.runId).result());
    case 'CANCELLED':
      return { status: 'cancelled' };
    case 'TERMINATED':
      return failed('terminated', 'The workflow was terminated.');
    default:
      return failed('workflow_failed', 'The workflow failed.');
  }
}

/** What `runOperation` returned. It closes the row before, so this is seen only when the row was opened again by a late step. */
function resultOf(result: unknown): Outcome {
  const isOutcome = typeof result === 'object' && result !== null && 'status' in result && result.status !== 'not_opened';
  // runOperation's own type; anything else has no `status`.
  return isOutcome ? (result as Outcome) : failed('workflow_failed', 'The workflow ended without an outcome.');
}

function failed(code: string, message: string): Outcome {
  return { status: 'failed', error: { code, message, retryable: true } };
}

interface Closing {
  readonly row: OpenOperation;
  readonly runId: string;
  readonly outcome: Outcome;
}

async function close({ lifecycle, kinds, clock, log, onClosed }: SettleDeps, { row, runId, outcome }: Closing): Promise<void> {
  const closed = await lifecycle.close({ run: runRefOf(row, runId, clock), outcome, actor: 'temporal', kind: kinds[row.kind] });
  if (!closed.closed) return;
  onClosed({ kind: row.kind, status: closed.status, seconds: closed.seconds });
  log.warn({ operationId: row.id, tenantId: row.tenantId, status: closed.status }, 'settled an operation whose workflow had ended');
}

/** Rows that are terminal under another run than the one that runs now: someone reset the workflow. */
async function reopenReset(deps: SettleDeps): Promise<void> {
  const since = new Date(deps.clock().getTime() - LOOK_BACK_MS - deps.everyMs).toISOString();
  const query = `ExecutionStatus = "Running" AND StartTime > "${since}"`;
  let seen = 0;
  let runs = new Map<string, string>();
  for await (const { workflowId, runId } of deps.client.workflow.list({ query, pageSize: LISTED_AT_ONCE })) {
    runs.set(workflowId, runId);
    seen += 1;
    if (seen === MAX_LISTED) break;
    if (runs.size < LISTED_AT_ONCE) continue;
    await reopenEnded(deps, runs);
    runs = new Map();
  }
  await reopenEnded(deps, runs);
}

async function reopenEnded(deps: SettleDeps, runs: ReadonlyMap<string, string>): Promise<void> {
  if (runs.size === 0) return;
  for (const row of await deps.operations.endedOf([...runs.keys()])) {
    const runId = runs.get(row.workflowId);
    if (runId === undefined || runId === row.runId) continue;
    await deps.lifecycle.mark(runRefOf(row, runId, deps.clock), { status: 'running', phase: 'running' });
  }
}

function runRefOf(row: OpenOperation, runId: string, clock: Clock): RunRef {
  const { tenantId, id: operationId, rootId, kind, attempt } = row;
  return { tenantId, operationId, rootId, kind, attempt, runId, nowMs: clock().getTime() };
}
