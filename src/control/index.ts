import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { DispatchBridge } from '../contracts/bridge.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Kinds } from '../contracts/kinds.ts';
import type { Store } from '../store/index.ts';
import { type DispatcherDeps, startDispatcher } from './dispatcher.ts';
import { startCartKeepers } from './cart-keepers.ts';
import { startJob } from './job.ts';
import { type SettleDeps, startSettleSweep } from './settle.ts';

const POSITIONS_EVERY_MS = 250;
const POSITIONS_PER_TURN = 1_000;
const SHARE_RATES_EVERY_MS = 1_000;
const KEY_USES_EVERY_MS = 10_000;
const CLEAN_EVERY_MS = 3_600_000; // 1 h
const KEEP_IDEMPOTENCY_MS = 30 * 86_400_000; // 30 days

export interface ControlDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The jobs that need nothing but the database: positions of events, ageing of idempotency keys, what API processes count together. Any number of processes may run them. */
export function startStoreJobs({ store, clock, log }: ControlDeps): AsyncDisposable {
  const positions = startJob({
    name: 'event-positions',
    everyMs: POSITIONS_EVERY_MS,
    log,
    turn: async () => (await store.system.eventPositions.assign(POSITIONS_PER_TURN)) === POSITIONS_PER_TURN,
  });
  const clean = startJob({
    name: 'idempotency-ageing',
    everyMs: CLEAN_EVERY_MS,
    log,
    async turn() {
      await store.system.operations.deleteIdempotencyBefore(new Date(clock().getTime() - KEEP_IDEMPOTENCY_MS));
      return false;
    },
  });
  const keyUses = startJob({
    name: 'key-uses',
    everyMs: KEY_USES_EVERY_MS,
    log,
    async turn() {
      await store.system.apiKeys.writeUses();
      await store.system.rates.deleteEnded(clock());
      return false;
    },
  });
  const rates = startJob({
    name: 'rates',
    everyMs: SHARE_RATES_EVERY_MS,
    log,
    async turn() {
      await store.system.rates.share(clock());
      return false;
    },
  });
  return disposeAll([positions, clean, rates, keyUses]);
}

export interface TemporalControlDeps extends ControlDeps {
  readonly bridge: DispatchBridge;
  readonly client: Client;
  readonly kinds: Kinds;
  readonly settings: { readonly settleSweepMs: number; readonly dispatchPollMs: number; readonly maxUnopenedStarts: number };
  readonly searchAttributesOf: DispatcherDeps['searchAttributesOf'];
  readonly onStart: DispatcherDeps['onStart'];
  readonly onClosed: SettleDeps['onClosed'];
}

export interface TemporalControl extends AsyncDisposable {
  /** A workflow has begun its first step in this process. */
  opened(workflowId: string): void;
}

/** The jobs that talk to Temporal: delivery of dispatch rows, and the sweeps over executions that ended on their own. */
export function startTemporalControl(deps: TemporalControlDeps): TemporalControl {
  const { store, client, clock, log, settings } = deps;
  const dispatcher = startDispatcher({
    store: store.system.dispatch,
    client,
    kinds: deps.kinds,
    clock,
    log,
    searchAttributesOf: deps.searchAttributesOf,
    onStart: deps.onStart,
    pollMs: settings.dispatchPollMs,
    maxUnopenedStarts: settings.maxUnopenedStarts,
  });
  deps.bridge.attach(dispatcher);
  const settle = startSettleSweep({
    operations: store.system.operations,
    lifecycle: store.lifecycle,
    kinds: deps.kinds,
    client,
    clock,
    log,
    everyMs: settings.settleSweepMs,
    onClosed: deps.onClosed,
  });
  const carts = startCartKeepers({ store, client, clock, log, everyMs: settings.settleSweepMs });
  return { opened: dispatcher.opened, ...disposeAll([dispatcher, settle, carts]) };
}

function disposeAll(parts: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const part of parts) await part[Symbol.asyncDispose]();
    },
  };
}
