import { parseArgs } from 'node:util';
import { ConfigError } from './config.ts';
import type { Feature } from './contracts/features.ts';
import { TASK_QUEUES, type TaskQueue } from './contracts/pure/task-queues.ts';

/** Which feature each queue but `core` belongs to: a feature that is off leaves its queues unserved. */
const FEATURE_OF: Readonly<Record<Exclude<TaskQueue, 'core'>, Feature>> = { mail: 'email' };

/**
 * The queues that a process serves: those that its command line names (`--queues core,mail`); without that, for the API process, `core`
 * and the outside calls of the features that are on.
 * @throws {ConfigError} for a name that is none, and where queues must be named
 */
export function chooseQueues(args: readonly string[], features?: readonly string[]): readonly TaskQueue[] {
  const { values } = parseArgs({ args: [...args], options: { queues: { type: 'string' } } });
  if (values.queues === undefined && features !== undefined) return appQueues(features);
  const names = (values.queues ?? '').split(',').map((name) => name.trim());
  const known = Object.values(TASK_QUEUES);
  const wrong = names.filter((name) => !known.some((queue) => queue === name));
  if (wrong.length > 0)
    throw new ConfigError(`--queues takes names with commas between them, of: ${known.join(', ')}. Not known: ${wrong.join(', ')}.`);
  return known.filter((queue) => names.includes(queue));
}

function appQueues(features: readonly string[]): readonly TaskQueue[] {
  const outside = Object.entries(FEATURE_OF).flatMap(([queue, feature]) => (features.includes(feature) ? [queue] : []));
  return [TASK_QUEUES.core, ...outside.map(toQueue)];
}

function toQueue(name: string): TaskQueue {
  const queue = Object.values(TASK_QUEUES).find((known) => known === name);
  if (queue === undefined) throw new Error(`there is no queue ${name}`);
  return queue;
}
