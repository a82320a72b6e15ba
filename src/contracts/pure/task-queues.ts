/** Every task queue by name. Workflows run on `core` only; the others serve activities of one sort each. */
export const TASK_QUEUES = { core: 'core', mail: 'mail', payments: 'payments', files: 'files' } as const;
export type TaskQueue = (typeof TASK_QUEUES)[keyof typeof TASK_QUEUES];
