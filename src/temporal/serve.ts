import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivityInterceptor } from '../activities/lib/interceptor.ts';
import { createTimelineLog } from '../activities/lib/timeline-log.ts';
import { startTemporalControl, type TemporalControl } from '../control/index.ts';
import { INNER_WORKFLOWS } from '../contracts/inner-workflows.ts';
import { TASK_QUEUES, type TaskQueue } from '../contracts/pure/task-queues.ts';
import type { Dependencies } from '../dependencies.ts';
import { countClosed } from '../metrics.ts';
import { retryUntilDone } from '../retry.ts';
import { createTemporalLogger } from './log.ts';
import { connectTemporal, type TemporalConnection } from './connection.ts';
import { ensureNamespace } from './namespace.ts';
import { ensureSearchAttributes, searchAttributesOf } from './search-attributes.ts';
import { createQueueWorker } from './worker.ts';
import { watchWorkflowThreads } from './workflow-threads.ts';

const RECONNECT_EVERY_MS = 500;
const WARM_UP_TIMEOUT = '30s';

export interface Serving extends AsyncDisposable {
  readonly temporal: TemporalConnection;
  /** Rejects when a worker died, which ends the process: its supervisor starts it again. */
  readonly ended: Promise<void>;
}

export interface ServeOptions {
  readonly deps: Dependencies;
  readonly queues: readonly TaskQueue[];
  readonly workflowBundlePath: string;
  readonly signal: AbortSignal;
}

/** Sets what Temporal's runtime logs and measures, and how it runs workflows. Once a process, before its first connection. */
export function installRuntime(log: Logger, temporalMetricsAddress: string | undefined): void {
  watchWorkflowThreads(log);
  Runtime.install({
    logger: createTemporalLogger(log),
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: { core: 'WARN', other: 'WARN' }, forward: {} },
      ...(temporalMetricsAddress === undefined
        ? {}
        : { metrics: { prometheus: { bindAddress: temporalMetricsAddress, useSecondsForDurations: true } } }),
    },
  });
}

/** Connects, when Temporal is there, and serves the queues. With `core` among them, also runs what moves operations. */
export async function serveQueues(options: ServeOptions): Promise<Serving> {
  const { deps, signal } = options;
  const temporal = await retryUntilDone(() => connectTemporal(deps.config), {
    everyMs: RECONNECT_EVERY_MS,
    signal,
    onFailure: (error, tries) => {
      if (tries % 10 === 1)
        deps.log.warn({ tries, reason: error instanceof Error ? error.name : 'unknown' }, 'Temporal cannot be reached, trying again');
    },
  });
  await prepareNamespace(deps, temporal);
  const timeline = createTimelineLog(deps.store.timeline, deps.log);
  let control: TemporalControl | undefined;
  const interceptor = createActivityInterceptor({
    timeline,
    log: deps.log,
    onStart: (workflowId) => control?.opened(workflowId),
    onEnd: (activity, outcome, seconds) => deps.metrics.activitySeconds.observe({ activity, outcome }, seconds),
  });
  const workers = await Promise.all(
    options.queues.map((queue) =>
      createQueueWorker({
        connection: temporal.connection,
        namespace: temporal.namespace,
        queue,
        activities: deps.activities[queue],
        activityInterceptors: interceptor,
        shutdownGraceMs: deps.config.shutdownGraceMs,
        workflowBundlePath: queue === TASK_QUEUES.core ? options.workflowBundlePath : undefined,
      }),
    ),
  );
  const runs = workers.map((worker) => worker.run());
  if (options.queues.includes(TASK_QUEUES.core)) {
    await retryUntilDone(() => warmUp(temporal), { everyMs: RECONNECT_EVERY_MS, signal, onFailure: stopAtOwnFault });
    control = startControl(deps, temporal);
  }
  return {
    temporal,
    ended: Promise.all(runs).then(() => undefined),
    async [Symbol.asyncDispose]() {
      await control?.[Symbol.asyncDispose]();
      for (const worker of workers) stop(worker);
      await Promise.allSettled(runs);
      await timeline.flush();
      await temporal[Symbol.asyncDispose]();
    },
  };
}

function stop(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

async function prepareNamespace({ log }: Dependencies, { connection, namespace }: TemporalConnection): Promise<void> {
  const commands = [...(await ensureNamespace(connection, namespace)), ...(await ensureSearchAttributes(connection, namespace))];
  if (commands.length > 0) log.error({ commands }, 'Temporal does not let us prepare the namespace; run these commands once');
}

/** A namespace that was made a moment ago may not be known everywhere yet; anything else ends the process. */
function stopAtOwnFault(error: unknown, tries: number): void {
  const isUnknown =
    error instanceof Error && /namespace/i.test(error.name + error.message) && /not.?found/i.test(error.name + error.message);
  if (!isUnknown || tries > 60) throw error;
}

/** The first workflow of a worker is slow; nobody's work should be it. */
async function warmUp({ client }: TemporalConnection): Promise<void> {
  await client.workflow.execute('warmUp', {
    workflowId: `warm-up:${process.pid}:${Date.now()}`,
    taskQueue: TASK_QUEUES.core,
    staticSummary: INNER_WORKFLOWS.warmUp,
    workflowExecutionTimeout: WARM_UP_TIMEOUT,
  });
}

function startControl(deps: Dependencies, { client }: TemporalConnection): TemporalControl {
  const { store, clock, log, bridge, kinds, config, metrics } = deps;
  return startTemporalControl({
    store,
    clock,
    log,
    bridge,
    client,
    kinds,
    settings: config.control,
    searchAttributesOf,
    onStart: (kind, isEager) => metrics.started.inc({ kind, eager: String(isEager) }),
    onClosed: (closing) => countClosed(metrics, closing),
  });
}
