import type { Feature } from './contracts/features.ts';
import { TASK_QUEUES, type TaskQueue } from './contracts/pure/task-queues.ts';

/** Which feature each queue but `core` belongs to: a feature that is off leaves its queues unserved. */
const FEATURE_OF: Readonly<Record<Exclude<TaskQueue, 'core'>, Feature>> = { mail: 'email' };

/** Queues of outside calls, which the API process serves on one machine. */
export function appQueues(features: readonly string[]): readonly TaskQueue[] {
  const outside = Object.entries(FEATURE_OF).flatMap(([queue, feature]) => (features.includes(feature) ? [queue] : []));
  return [TASK_QUEUES.core, ...outside.map(toQueue)];
}

/** The queues that a command line names, or undefined with the names that are none. */
export function parseQueues(text: string): { readonly queues: readonly TaskQueue[]; readonly wrong: readonly string[] } {
  const names = text.split(',').map((name) => name.trim());
  const known = Object.values(TASK_QUEUES);
  return { queues: known.filter((queue) => names.includes(queue)), wrong: names.filter((name) => !known.some((queue) => queue === name)) };
}

function toQueue(name: string): TaskQueue {
  const queue = Object.values(TASK_QUEUES).find((known) => known === name);
  if (queue === undefined) throw new Error(`there is no queue ${name}`);
  return queue;
}
