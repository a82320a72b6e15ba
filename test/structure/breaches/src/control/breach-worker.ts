import { Worker } from '@temporalio/worker';

export const breach = Worker;
