import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { Fulfilment } from '../../src/adapters/fulfilment.ts';
import type { Mailer } from '../../src/adapters/mailer.ts';
import type { Payments } from '../../src/adapters/payments.ts';
import { loadConfig } from '../../src/config.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import type { TaskQueue } from '../../src/contracts/pure/task-queues.ts';
import { createDependencies, type Dependencies, type Overrides } from '../../src/dependencies.ts';
import { startStoreJobs } from '../../src/control/index.ts';
import { startStreamHub, type StreamHub } from '../../src/control/stream-hub.ts';
import { installRuntime, serveQueues, type Serving } from '../../src/temporal/serve.ts';
import { PROBE_KIND, createProbeActivities, type ProbeLog } from './probe.ts';
import type { Ground } from './ground.ts';

export interface Core extends AsyncDisposable {
  readonly ground: Ground;
  readonly deps: Dependencies;
  readonly hub: StreamHub;
  readonly serving: Serving;
  readonly probeLog: ProbeLog;
  /** Makes a tenant of the test's own. */
  newTenant(): Promise<string>;
}

export interface CoreOptions {
  readonly mailer?: Mailer;
  readonly payments?: Payments;
  readonly fulfilment?: Fulfilment;
  readonly overrides?: Pick<Overrides, 'storage' | 'checker'>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: all. */
  readonly queues?: readonly TaskQueue[];
}

/** Delivers nothing: for tests whose operations send no mail. */
const NO_MAILER: Mailer = {
  openSession: () => ({ deliver: () => Promise.resolve({ outcome: 'not_sent', reason: 'connect' }), close: () => Promise.resolve() }),
  settleMs: 0,
  verify: () => Promise.resolve(),
};

let isRuntimeInstalled = false;

/** The product's core in this process, against the ground's servers: store, control, workers; no HTTP. */
export async function startCore(ground: Ground, options: CoreOptions = {}): Promise<Core> {
  if (!isRuntimeInstalled) installRuntime(pino({ level: process.env['TEST_LOG'] ?? 'silent' }), undefined);
  isRuntimeInstalled = true;
  const deps = makeDependencies(ground, options);
  const stop = new AbortController();
  const jobs = startStoreJobs(deps.deps);
  const hub = startStreamHub(deps.deps.store.streams, deps.deps.log);
  const serving = await serveQueues({
    deps: deps.deps,
    queues: options.queues ?? ['core', 'mail', 'payments', 'files'],
    workflowBundlePath: ground.bundlePath,
    signal: stop.signal,
  });
  return {
    ground,
    deps: deps.deps,
    hub,
    serving,
    probeLog: deps.probeLog,
    async newTenant() {
      const id = `t-${randomUUID()}`;
      await deps.deps.store.tenants.put({ id, name: 'A tenant', actor: { actor: 'system' }, now: new Date() });
      return id;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await serving[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      await jobs[Symbol.asyncDispose]();
      await deps.deps[Symbol.asyncDispose]();
    },
  };
}

/** Dependencies as a process would make them, with the probe among the kinds. */
export function makeDependencies(ground: Ground, options: CoreOptions = {}) {
  const config = loadConfig({
    DATABASE_URL: ground.databaseUrl,
    TEMPORAL_ADDRESS: ground.temporalAddress,
    TEMPORAL_NAMESPACE: ground.namespace,
    // Tests that send mail bring a mailer of their own.
    SMTP_URL: 'smtp://127.0.0.1:1',
    SETTLE_SWEEP: '1s',
    LOG_LEVEL: 'silent',
    SHUTDOWN_GRACE: '2s',
    ...options.environment,
  });
  const probeLog: ProbeLog = { done: [], undone: [], vanished: [] };
  const deps = createDependencies(config, {
    mailer: options.mailer ?? NO_MAILER,
    ...(options.payments === undefined ? {} : { payments: options.payments }),
    ...(options.fulfilment === undefined ? {} : { fulfilment: options.fulfilment }),
    log: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
    ...options.overrides,
    kinds: { ...KINDS, probe: PROBE_KIND },
    extendActivities: (activities, store) => ({ ...activities, core: { ...activities.core, ...createProbeActivities(store, probeLog) } }),
  });
  return { deps, probeLog };
}
