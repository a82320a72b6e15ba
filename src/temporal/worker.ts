import {
  type ActivityInterceptorsFactory,
  bundleWorkflowCode,
  type NativeConnection,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { TASK_QUEUES, type TaskQueue } from '../contracts/pure/task-queues.ts';
import { dataConverter } from './data-converter.ts';

export const WORKFLOWS_PATH = new URL('../workflows/index.ts', import.meta.url).pathname;
export const WORKFLOW_INTERCEPTORS_PATH = new URL('../workflows/lib/interceptors.ts', import.meta.url).pathname;

/** More than can be open at once, so that every start can be eager: with the default 40 only half of them are. */
const WORKFLOW_TASK_SLOTS = 300;
const LOCAL_ACTIVITY_SLOTS = 100;
const CACHED_WORKFLOWS = 1_000;
/** A killed worker's workflows go on after this long, rather than after the default 10 s. */
const STICKY_TIMEOUT = '2s';
const HEARTBEAT_THROTTLE = '2s';

/** Activities at once per queue: what the other side bears, and what one process can do. */
const ACTIVITY_SLOTS: Readonly<Record<TaskQueue, number>> = { core: 50, mail: 20, payments: 20, files: 16 };

export interface QueueWorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly queue: TaskQueue;
  readonly activities: object;
  readonly activityInterceptors: ActivityInterceptorsFactory;
  /** Of the `core` queue only: where the bundle is. */
  readonly workflowBundlePath?: string | undefined;
  readonly shutdownGraceMs: number;
}

/** One worker per queue: a slot supplier shared by queues starves some of them. */
export function createQueueWorker(options: QueueWorkerOptions): Promise<Worker> {
  const { connection, namespace, queue, activities, activityInterceptors, workflowBundlePath, shutdownGraceMs } = options;
  const base: WorkerOptions = {
    connection,
    namespace,
    taskQueue: queue,
    activities,
    dataConverter,
    interceptors: { activity: [activityInterceptors] },
    maxConcurrentActivityTaskExecutions: ACTIVITY_SLOTS[queue],
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    shutdownGraceTime: shutdownGraceMs,
    shutdownForceTime: shutdownGraceMs * 2,
  };
  if (queue !== TASK_QUEUES.core) return Worker.create(base);
  if (workflowBundlePath === undefined) throw new Error('the core queue runs the workflows and needs their bundle');
  return Worker.create({
    ...base,
    workflowBundle: { codePath: workflowBundlePath },
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASK_SLOTS,
    maxConcurrentLocalActivityExecutions: LOCAL_ACTIVITY_SLOTS,
    maxCachedWorkflows: CACHED_WORKFLOWS,
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
  });
}

/** The code of all workflows as one file, with the interceptors that audit their messages. */
export async function bundleWorkflows(workflowsPath = WORKFLOWS_PATH): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [WORKFLOW_INTERCEPTORS_PATH],
    // Evaluated once, not once a workflow. Nothing of them may be kept from one workflow to the next: a test looks for module state.
    preloadModules: ['@temporalio/workflow', WORKFLOW_INTERCEPTORS_PATH, workflowsPath],
  });
  return code;
}
