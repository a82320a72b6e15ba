import { workflowInfo } from '@temporalio/workflow';

/** Of a server that never says that it is time. Each reading of a payment is about a dozen events. */
const MAX_EVENTS_PER_RUN = 8_000;

/** Whether another run should go on: a history that grows without bound is refused in the end, and slow to replay long before. */
export function isRunFull(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > MAX_EVENTS_PER_RUN;
}
