// The thread that runs workflows: the SDK's own, with calls into new workflows counted instead of timed.
import { type Context, type RunningCodeOptions, Script } from 'node:vm';
import { workerData } from 'node:worker_threads';
import type { WorkflowInfo } from '@temporalio/workflow';
import { CallCount, isThreadData } from './sandbox-calls.ts';

/** Started, task scheduled, task started: no task of the run has failed or timed out, and no other process has had it. */
const EVENTS_OF_FIRST_TASK = 3;

/** What the SDK leaves for a call into a workflow: whose it is, what to call, with what. */
interface CallingContext extends Context {
  readonly __temporal_args?: readonly [workflow: object, name: unknown, args: readonly unknown[]];
}

if (!isThreadData(workerData)) throw new Error('this thread is started by workflow-threads.ts');
const calls = new CallCount(workerData.calls);
/** Runs that began here. All others keep the SDK's way. */
const begunHere = new WeakMap<object, string>();
const { runInContext } = Script.prototype;

// With a timeout Node starts and joins one more thread a call, which costs most workflows more than what they compute.
Script.prototype.runInContext = function run(this: Script, context: CallingContext, options: RunningCodeOptions = {}) {
  const { timeout, ...untimed } = options;
  const runId = timeout === undefined ? undefined : runBegunHere(context);
  if (runId === undefined) return runInContext.call(this, context, options);
  calls.enter(runId);
  try {
    return runInContext.call(this, context, untimed);
  } finally {
    calls.leave();
  }
};

await import('@temporalio/worker/lib/workflow/workflow-worker-thread.js');

/** The first call of a workflow says which it is; later ones are known by what the SDK keeps of it. */
function runBegunHere({ __temporal_args: call }: CallingContext): string | undefined {
  if (call === undefined) return undefined;
  const [workflow, name, [first]] = call;
  if (name === 'initRuntime') {
    // As the SDK calls it.
    const { info } = first as { readonly info: WorkflowInfo };
    if (info.historyLength <= EVENTS_OF_FIRST_TASK && !info.unsafe.isReplaying) begunHere.set(workflow, info.runId);
  }
  return begunHere.get(workflow);
}
