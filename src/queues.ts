import { parseArgs } from 'node:util';
import { ConfigError } from './config.ts';
import type { Feature } from './contracts/features.ts';
import { TASK_QUEUES, type TaskQueue } from './contracts/pure/task-queues.ts';

interface QueueHome {
  /** A feature that is off leaves its queues unserved. */
  readonly feature: Feature;
  /** `app` has the outside calls; `work`, beside it, what needs processor or disk. */
  readonly process: 'app' | 'work';
}

/** Where each queue but `core` is at home. */
const HOMES: Readonly<Record<Exclude<TaskQueue, 'core'>, QueueHome>> = {
  mail: { feature: 'email', process: 'app' },
  payments: { feature: 'checkout', process: 'app' },
  files: { feature: 'files', process: 'work' },
};

/**
 * The queues that a process serves: those that its command line names (`--queues core,mail`); without that, for the API process, `core`
 * and the outside calls of the features that are on.
 * @throws {ConfigError} for a name that is none, and where queues must be named
 */
export function chooseQueues(args: readonly string[], features?: readonly string[]): readonly TaskQueue[] {
  const { values } = parseArgs({ args: [...args], options: { queues: { type: 'string' } } });
  if (values.queues === undefined && features !== undefined) return [TASK_QUEUES.core, ...queuesOf('app', features)];
  const names = (values.queues ?? '').split(',').map((name) => name.trim());
  const known = Object.values(TASK_QUEUES);
  const wrong = names.filter((name) => !known.some((queue) => queue === name));
  if (wrong.length > 0)
    throw new ConfigError(`--queues takes names with commas between them, of: ${known.join(', ')}. Not known: ${wrong.join(', ')}.`);
  return known.filter((queue) => names.includes(queue));
}

/** The queues of processor and disk work of the features that are on, which have a process of their own. */
export function workQueues(features: readonly string[]): readonly TaskQueue[] {
  return queuesOf('work', features);
}

/** The queues of activities of the features that are on, wherever they are served. */
export function queuesBesideCore(features: readonly string[]): readonly TaskQueue[] {
  return [...queuesOf('app', features), ...queuesOf('work', features)];
}

function queuesOf(process: QueueHome['process'], features: readonly string[]): readonly TaskQueue[] {
  return Object.values(TASK_QUEUES).filter((queue) => {
    if (queue === TASK_QUEUES.core) return false;
    return HOMES[queue].process === process && features.includes(HOMES[queue].feature);
  });
}
