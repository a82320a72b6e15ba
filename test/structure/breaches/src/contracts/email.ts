import { z } from 'zod';
import { TASK_QUEUES } from './pure/task-queues.ts';

export const emailInput = z.object({ to: z.string(), queue: z.literal(TASK_QUEUES.mail) });
export type EmailInput = z.infer<typeof emailInput>;
