import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import type { Dispatcher, DispatchItem } from '../contracts/bridge.ts';
import type { Kinds } from '../contracts/kinds.ts';
import type { OperationRef } from '../contracts/pure/operations.ts';
import type { Delivered, DispatchStore } from '../store/system/dispatch.ts';
import { type Job, startJob } from './job.ts';

/** A process that died with rows in its hands holds them up for this long. */
const LEASE_MS = 10_000;
const DELIVERY_DEADLINE_MS = 5_000;
/** A start that this process does not open is one that another process took, or that a busy worker gets to later. */
const OPENING_GRACE_MS = 3_000;
const MAX_BACKOFF_MS = 5_000;
const MARK_EVERY_MS = 25;
const PER_TURN = 32;

export interface DispatcherDeps {
  readonly store: DispatchStore;
  readonly client: Client;
  readonly kinds: Kinds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs: number;
  /** Starts at once whose workflow has not opened its row yet. More would only queue inside Temporal, and stop being eager. */
  readonly maxUnopenedStarts: number;
  /** Typed search attributes for a start; made where Temporal's types are known. */
  readonly searchAttributesOf: (ref: OperationRef) => NonNullable<Parameters<Client['workflow']['start']>[1]['typedSearchAttributes']>;
  readonly onStart: (kind: string, isEager: boolean) => void;
}

export interface RunningDispatcher extends Dispatcher, AsyncDisposable {
  /** The workflow of a start has begun its first step in this process. */
  opened(workflowId: string): void;
}

/**
 * Delivers the rows of the dispatch table to Temporal: at once when the row was committed in this process and nothing waits, else in
 * turns over what is due. What was delivered and not marked is delivered again, and Temporal says that it knows it already.
 */
export function startDispatcher(deps: DispatcherDeps): RunningDispatcher {
  const { store, clock, log } = deps;
  const unopened = new Map<string, NodeJS.Timeout>();
  const delivered: Delivered[] = [];
  let reserved = 0;
  let isBehind = false;
  let isStopped = false;

  const free = (): number => deps.maxUnopenedStarts - unopened.size - reserved;
  const marks = startJob({ name: 'mark-delivered', everyMs: MARK_EVERY_MS, log, turn: markDelivered });
  const turns: Job = startJob({ name: 'dispatch', everyMs: deps.pollMs, log, turn: dispatchDue });

  async function dispatchDue(): Promise<boolean> {
    const limit = Math.min(free(), PER_TURN);
    if (limit <= 0) return false;
    const items = await store.takeDue({ limit, now: clock(), leaseMs: LEASE_MS });
    isBehind = items.length === limit;
    const results = await Promise.all(items.map(send));
    return isBehind && results.some(Boolean);
  }

  async function markDelivered(): Promise<boolean> {
    const batch = delivered.splice(0);
    if (batch.length === 0) return false;
    try {
      await store.markDelivered(batch, clock());
    } catch (error) {
      delivered.unshift(...batch);
      throw error;
    }
    return false;
  }

  /** True when Temporal took it, or knows it, or it has become pointless. */
  async function send(item: DispatchItem): Promise<boolean> {
    if (item.verb === 'start') awaitOpening(item.workflowId);
    try {
      const outcome = await deps.client.withDeadline(Date.now() + DELIVERY_DEADLINE_MS, () => deliverItem(deps, item));
      if (outcome !== 'started') opened(item.workflowId);
      delivered.push({ id: item.id, outcome });
      return true;
    } catch (error) {
      opened(item.workflowId);
      await postpone(item, error);
      return false;
    }
  }

  async function postpone(item: DispatchItem, error: unknown): Promise<void> {
    isBehind = true;
    const reason = error instanceof Error ? error.name : 'unknown';
    log.warn(
      { operationId: item.operationId, tenantId: item.tenantId, verb: item.verb, attempts: item.attempts, reason },
      'not delivered to Temporal, will try again',
    );
    const delayMs = Math.min(2 ** item.attempts * 250, MAX_BACKOFF_MS);
    // When the database is away too, the lease runs out by itself.
    await store.postpone(item.id, reason, new Date(clock().getTime() + delayMs)).catch(() => undefined);
  }

  function awaitOpening(workflowId: string): void {
    unopened.set(
      workflowId,
      setTimeout(() => opened(workflowId), OPENING_GRACE_MS),
    );
  }

  function opened(workflowId: string): void {
    const timer = unopened.get(workflowId);
    if (timer === undefined) return;
    clearTimeout(timer);
    unopened.delete(workflowId);
    if (isBehind) turns.wake();
  }

  return {
    reserve() {
      if (isStopped || isBehind || free() <= 0) {
        isBehind = true;
        return false;
      }
      reserved += 1;
      return true;
    },
    release() {
      reserved -= 1;
    },
    deliver(item) {
      reserved -= 1;
      void send(item);
    },
    wake: () => turns.wake(),
    opened,
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await turns[Symbol.asyncDispose]();
      await marks[Symbol.asyncDispose]();
      for (const timer of unopened.values()) clearTimeout(timer);
      await markDelivered().catch(() => undefined);
    },
  };
}

async function deliverItem(deps: DispatcherDeps, item: DispatchItem): Promise<string> {
  try {
    switch (item.verb) {
      case 'start':
        return await startWorkflow(deps, item);
      case 'signal':
        await deps.client.workflow.getHandle(item.workflowId).signal(item.name ?? '', { ...item.payload, messageId: item.id });
        return 'delivered';
      case 'cancel':
        await deps.client.workflow.getHandle(item.workflowId).cancel();
        return 'delivered';
    }
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'already_started';
    if (error instanceof WorkflowNotFoundError && item.verb !== 'start') return 'gone';
    throw error;
  }
}

async function startWorkflow(deps: DispatcherDeps, item: DispatchItem): Promise<string> {
  // Written by the accepting transaction in exactly this form.
  const ref = item.payload as unknown as OperationRef;
  const handle = await deps.client.workflow.start(item.workflowType, {
    workflowId: item.workflowId,
    taskQueue: item.taskQueue,
    args: [ref],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    requestEagerStart: true,
    workflowTaskTimeout: '5s',
    staticSummary: deps.kinds[ref.kind]?.title ?? ref.kind,
    typedSearchAttributes: deps.searchAttributesOf(ref),
    priority: { priorityKey: item.priority, fairnessKey: item.tenantId },
  });
  deps.onStart(ref.kind, handle.eagerlyStarted);
  return 'started';
}
