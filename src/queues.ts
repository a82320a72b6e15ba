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
 * @throws {ConfigError} for a name or a flag that is none, and where queues must be named
 */
export function chooseQueues(args: readonly string[], features?: readonly string[]): readonly TaskQueue[] {
  const asked = readFlag(args);
  if (asked === undefined && features !== undefined) return [TASK_QUEUES.core, ...queuesOf('app', features)];
  const known = Object.values(TASK_QUEUES);
  const usage = `--queues takes names with commas between them, of: ${known.join(', ')}.`;
  if (asked === undefined) throw new ConfigError(`Say which queues to serve. ${usage}`);
  const names = asked.split(',').map((name) => name.trim());
  const wrong = names.filter((name) => !known.some((queue) => queue === name));
  if (wrong.length > 0) throw new ConfigError(`${usage} Not known: ${wrong.map((name) => `"${name}"`).join(', ')}.`);
  return known.filter((queue) => names.includes(queue));
}

function readFlag(args: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...args], options: { queues: { type: 'string' } } }).values.queues;
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error), { cause: error });
  }
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
