export const TASK_QUEUES = { core: 'core', mail: 'mail' } as const;
