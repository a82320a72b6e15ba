import { Worker } from 'node:worker_threads';
import {
  ThreadedVMWorkflowCreator,
  type ThreadedVMWorkflowCreatorOptions,
  WorkerThreadClient,
} from '@temporalio/worker/lib/workflow/threaded-vm.js';
import type { Logger } from 'pino';
import { CallCount, CALLS_BYTES } from './sandbox-calls.ts';

const THREAD = new URL('./workflow-thread.ts', import.meta.url);
/** How long a workflow may compute without a pause. A catch-up on many messages takes more than 5 s on a busy machine. */
const LIMIT_MS = 60_000;
/** So often a call is looked at before it counts as stuck: time for which the whole process stood still is one look. */
const LOOKS = 12;

interface ThreadWatch {
  readonly log: Logger;
  readonly limitMs: number;
}

/**
 * From now on the SDK's workers of this process run workflows in threads of ours. The SDK has Node set up a time limit anew for each call into
 * a workflow; there, one watch stands for it as long as a run is where it began. A call that lasts longer than the limit ends the process: a
 * thread that computes can't be told to stop, and every workflow that it has waits for it. A run that was in another process, or had a task
 * fail, has the limit for each call, so the next time such a call fails its own task alone.
 */
export function watchWorkflowThreads(log: Logger, limitMs = LIMIT_MS): void {
  ThreadedVMWorkflowCreator.create = (options) => createThreads(options, { log, limitMs });
}

/** The SDK's method of the same name, with other threads. */
async function createThreads(options: ThreadedVMWorkflowCreatorOptions, watch: ThreadWatch): Promise<ThreadedVMWorkflowCreator> {
  const { threadPoolSize, workflowBundle, reuseV8Context, registeredActivityNames } = options;
  const clients = Array.from(
    { length: threadPoolSize },
    () => new WorkerThreadClient(startThread(watch), options.logger, options.patchActivationCallback),
  );
  const init = {
    type: 'init',
    workflowBundle,
    isolateExecutionTimeoutMs: watch.limitMs,
    reuseV8Context,
    registeredActivityNames,
    hasPatchActivationCallback: options.patchActivationCallback !== undefined,
  } as const;
  await Promise.all(clients.map((client) => client.send(init)));
  return new ThreadedVMWorkflowCreator(clients);
}

function startThread({ log, limitMs }: ThreadWatch): Worker {
  const shared = new SharedArrayBuffer(CALLS_BYTES);
  const thread = new Worker(THREAD, { workerData: { calls: shared } });
  const calls = new CallCount(shared);
  let seen: number | undefined;
  let looks = 0;
  const timer = setInterval(() => {
    const call = calls.current();
    looks = call === undefined || call !== seen ? 0 : looks + 1;
    seen = call;
    if (looks < LOOKS) return;
    log.fatal({ runId: calls.runId(), limitMs }, 'a workflow computes without a pause, this process ends');
    // Caught by nobody.
    throw new Error('a workflow computed for too long without a pause');
  }, limitMs / LOOKS);
  timer.unref();
  thread.once('exit', () => clearInterval(timer));
  return thread;
}
