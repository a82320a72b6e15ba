import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { CheckoutActivities } from '../../activities/checkout/index.ts';
import { TASK_QUEUES } from '../../contracts/pure/task-queues.ts';
import { PROFILES } from '../lib/profiles.ts';

/** Short steps in our own database. */
export const core = proxyLocalActivities<CheckoutActivities['core']>({ ...PROFILES.bookkeeping, summary: 'Keep the order' });

/** Steps at the payment provider and at whoever ships. */
export const outside = proxyActivities<CheckoutActivities['payments']>({ ...PROFILES.outside, taskQueue: TASK_QUEUES.payments });

const READ_AFTER_MS = [5_000, 15_000, 40_000] as const;
const READ_EVERY_MS = 5 * 60_000; // 5 min

/** From one reading of a payment to the next while nothing is heard of it: after 5, 20 and 60 s, then every 5 min. Rounds count from 0. */
export function readAfterMs(round: number): number {
  return READ_AFTER_MS[round] ?? READ_EVERY_MS;
}

/** Until somebody says something; a timer needs an end. */
export const FOREVER_MS = 365 * 86_400_000; // 1 year
