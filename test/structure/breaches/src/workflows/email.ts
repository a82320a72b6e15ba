import { proxyActivities } from '@temporalio/workflow';
import type { createEmailActivities } from '../activities/email.ts';
import type { EmailInput } from '../contracts/email.ts';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import { runOperation } from './lib/operation.ts';

const { sendEmail } = proxyActivities<ReturnType<typeof createEmailActivities>>({
  taskQueue: TASK_QUEUES.mail,
  startToCloseTimeout: '10s',
});

export async function email(input: EmailInput): Promise<{ sentAt: number }> {
  await runOperation();
  await sendEmail(input);
  return { sentAt: Date.now() };
}
