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
  const gate = createStartGate({ places: deps.maxUnopenedStarts, clock }, opened);
  /** More is due than there is room for: what is accepted now queues behind it. */
  let isBehind = false;
  let isStopped = false;
  const underWay = new Set<Promise<void>>();
  const turns = startJob({ name: 'dispatch', everyMs: pollMs, log, turn: dispatchDue });

  async function dispatchDue(): Promise<boolean> {
    // A message can not go out before the start of its workflow is marked. With many starts waiting, turns follow each other anyway.
    if (!isBehind) await marks.flush();
    const limit = Math.min(gate.free(), PER_TURN);
    if (limit <= 0) return false;
    const items = await store.takeDue({ limit, now: clock(), leaseMs: LEASE_MS });
    isBehind = items.length === limit;
    // Not waited for: the slowest of them would keep empty the places of the others.
    for (const item of items) send(item);
    return false;
  }

  function send(item: DispatchItem): void {
    const place = placeOf(item);
    gate.enter(place);
    const sent = deliverItem(deps, item)
      .then((outcome) => {
        marks.add({ id: item.id, outcome });
        if (outcome !== 'started') opened(place);
      })
      .catch(async (error: unknown) => {
        // Nobody is woken: with Temporal away the next turn is the next poll.
        gate.leave(place);
        isBehind = true;
        await postpone(deps, item, error);
      })
      .finally(() => underWay.delete(sent));
    underWay.add(sent);
  }

  /** A place is free. Several are filled at once, by one look at the table. */
  function opened(place: string): void {
    if (gate.leave(place) && isBehind && gate.needsMore()) turns.wake();
  }

  return {
    reserve() {
      if (gate.free() <= 0) isBehind = true;
      if (isBehind) gate.queued();
      if (isBehind || isStopped) return false;
      gate.reserve();
      return true;
    },
    release: gate.release,
    deliver(item) {
      gate.release();
      send(item);
    },
    wake: turns.wake,
    opened,
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await turns[Symbol.asyncDispose]();
      await Promise.all(underWay);
      gate.clear();
      await marks[Symbol.asyncDispose]();
    },
  };
}

/** A start keeps its place until its workflow has begun its first step, a message until it is delivered. */
function placeOf({ verb, workflowId, id }: DispatchItem): string {
  return verb === 'start' ? workflowId : id;
}

async function postpone({ store, clock, log }: DispatcherDeps, item: DispatchItem, error: unknown): Promise<void> {
  const { id, operationId, tenantId, verb, attempts } = item;
  const reason = error instanceof Error ? error.name : 'unknown';
  log.warn({ operationId, tenantId, verb, attempts, reason }, 'not delivered to Temporal, will try again');
  const delayMs = Math.min(2 ** attempts * FIRST_BACKOFF_MS, MAX_BACKOFF_MS);
  // When the database is away too, the lease runs out by itself.
  await store.postpone(id, reason, new Date(clock().getTime() + delayMs)).catch(() => undefined);
}
