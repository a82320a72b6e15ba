import type { TemporalConnection } from './connection.ts';

const ANSWERS_WITHIN_MS = 1_000;
/** A worker asks again at least once a minute; one that was killed is told of for as long. */
const ASKED_WITHIN_MS = 75_000;
/** `TASK_QUEUE_TYPE_ACTIVITY` of Temporal's API. */
const ACTIVITY_QUEUE = 2;

export interface Check {
  readonly ok: boolean;
  readonly detail?: string;
}

/** Whether Temporal answers. */
export function checkTemporal({ client }: TemporalConnection): Promise<Check> {
  return client
    .withDeadline(Date.now() + ANSWERS_WITHIN_MS, () => client.workflowService.getSystemInfo({}))
    .then(
      () => ({ ok: true }),
      () => ({ ok: false, detail: 'Temporal cannot be reached at present. Work is accepted and waits.' }),
    );
}

/** Whether workers ask for the activities of each queue. A queue without one loses nothing: its work waits. */
export async function checkQueues(temporal: TemporalConnection, queues: readonly string[], now: Date): Promise<Record<string, Check>> {
  const checks = await Promise.all(queues.map(async (queue) => [queue, await checkQueue(temporal, queue, now)] as const));
  return Object.fromEntries(checks);
}

async function checkQueue({ client, namespace }: TemporalConnection, name: string, now: Date): Promise<Check> {
  const request = { namespace, taskQueue: { name }, taskQueueType: ACTIVITY_QUEUE };
  try {
    const { pollers } = await client.withDeadline(Date.now() + ANSWERS_WITHIN_MS, () => client.workflowService.describeTaskQueue(request));
    const since = (now.getTime() - ASKED_WITHIN_MS) / 1_000;
    if (pollers?.some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) >= since)) return { ok: true };
    return { ok: false, detail: 'warming: no worker asks for its work yet; it waits.' };
  } catch {
    return { ok: false, detail: 'unknown: Temporal cannot be asked at present.' };
  }
}
