import type { Logger } from 'pino';
import type { Dispatcher, DispatchItem } from '../contracts/bridge.ts';
import type { Clock } from '../contracts/clock.ts';
import type { DispatchStore } from '../store/system/dispatch.ts';
import { startDeliveredMarks } from './delivered-marks.ts';
import { type DeliveryDeps, deliverItem } from './delivery.ts';
import { startJob } from './job.ts';
import { createStartGate } from './start-gate.ts';

/** A process that died with rows in its hands holds them up for this long. */
const LEASE_MS = 10_000;
const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 5_000;
const PER_TURN = 32;

export interface DispatcherDeps extends DeliveryDeps {
  readonly store: DispatchStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pollMs: number;
  readonly maxUnopenedStarts: number;
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
  const { store, clock, log, pollMs } = deps;
  const marks = startDeliveredMarks(store, { clock, log, onMessages: () => turns.wake() });
  const gate = createStartGate(deps.maxUnopenedStarts, opened);
  /** More is due than there is room for: what is accepted now queues behind it. */
  let isBehind = false;
  let isStopped = false;
  const turns = startJob({ name: 'dispatch', everyMs: pollMs, log, turn: dispatchDue });

  async function dispatchDue(): Promise<boolean> {
    // A message can not go out before the start of its workflow is marked. With many starts waiting, turns follow each other anyway.
    if (!isBehind) await marks.flush();
    const limit = Math.min(gate.free(), PER_TURN);
    if (limit <= 0) return false;
    const items = await store.takeDue({ limit, now: clock(), leaseMs: LEASE_MS });
    isBehind = items.length === limit;
    const taken = await Promise.all(items.map(send));
    return isBehind && taken.some(Boolean);
  }

  /** Whether Temporal has it, or it has become pointless. */
  async function send(item: DispatchItem): Promise<boolean> {
    if (item.verb === 'start') gate.enter(item.workflowId);
    try {
      const outcome = await deliverItem(deps, item);
      if (outcome !== 'started') opened(item.workflowId);
      marks.add({ id: item.id, outcome });
      return true;
    } catch (error) {
      opened(item.workflowId);
      isBehind = true;
      await postpone(deps, item, error);
      return false;
    }
  }

  function opened(workflowId: string): void {
    if (gate.leave(workflowId) && isBehind) turns.wake();
  }

  return {
    reserve() {
      if (isBehind || gate.free() <= 0) isBehind = true;
      if (isBehind || isStopped) return false;
      gate.reserve();
      return true;
    },
    release: gate.release,
    deliver(item) {
      gate.release();
      void send(item);
    },
    wake: turns.wake,
    opened,
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await turns[Symbol.asyncDispose]();
      gate.clear();
      await marks[Symbol.asyncDispose]();
    },
  };
}

async function postpone({ store, clock, log }: DispatcherDeps, item: DispatchItem, error: unknown): Promise<void> {
  const { id, operationId, tenantId, verb, attempts } = item;
  const reason = error instanceof Error ? error.name : 'unknown';
  log.warn({ operationId, tenantId, verb, attempts, reason }, 'not delivered to Temporal, will try again');
  const delayMs = Math.min(2 ** attempts * FIRST_BACKOFF_MS, MAX_BACKOFF_MS);
  // When the database is away too, the lease runs out by itself.
  await store.postpone(id, reason, new Date(clock().getTime() + delayMs)).catch(() => undefined);
}
