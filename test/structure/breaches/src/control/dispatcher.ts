import type { Client } from '@temporalio/client';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import type { EmailStore } from '../store/email.ts';

export function createDispatcher(client: Client, store: EmailStore): unknown {
  return { client, store, queue: TASK_QUEUES.core };
}
