import { bundleWorkflowCode } from '@temporalio/worker';
import { activities } from './activities/index.ts';
import { dependencies } from './dependencies.ts';

export const worker = { activities, dependencies, bundleWorkflowCode };
