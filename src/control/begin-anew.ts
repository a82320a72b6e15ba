import type { Client, WorkflowExecutionDescription } from '@temporalio/client';

/** The end of a history tells why its last step failed; its beginning, where the first one ended. */
const EVENTS_LOOKED_AT = 50;
/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR` of Temporal's API. */
const PAST_DIFFERS = 24;

/**
 * Resets a run whose past can't be replayed to its first workflow task, which makes it go through its steps again: effects are found by
 * their keys, so nothing is done twice; signals and a cancel that came are delivered once more. A process that stood still for
 * longer than a workflow task may take can leave such a history behind, as the SDK then goes on with what it had.
 *
 * Once for a run: the one that came of a reset, or follows on another, is left to people. Repeating the call is safe.
 * @returns whether it was reset; false also where the task fails for another reason, such as a bug, which a reset would only meet again.
 */
export async function beginAnew(client: Client, { workflowId, runId, raw }: WorkflowExecutionDescription): Promise<boolean> {
  if (raw.workflowExecutionInfo?.firstRunId !== runId) return false;
  const { workflowService } = client;
  const request = { namespace: client.options.namespace, execution: { workflowId, runId }, maximumPageSize: EVENTS_LOOKED_AT };
  const newest = await workflowService.getWorkflowExecutionHistoryReverse(request);
  const failures = newest.history?.events?.flatMap((event) => event.workflowTaskFailedEventAttributes ?? []);
  if (failures?.[0]?.cause !== PAST_DIFFERS) return false;
  const oldest = await workflowService.getWorkflowExecutionHistory(request);
  const end = oldest.history?.events?.find(
    (event) =>
      event.workflowTaskCompletedEventAttributes ?? event.workflowTaskTimedOutEventAttributes ?? event.workflowTaskFailedEventAttributes,
  );
  if (end?.eventId == null) return false;
  const { runId: next } = await workflowService.resetWorkflowExecution({
    namespace: request.namespace,
    workflowExecution: request.execution,
    workflowTaskFinishEventId: end.eventId,
    reason: 'Its past could not be replayed.',
    requestId: `begin-anew:${runId}`,
  });
  // Signals go over by themselves.
  if (raw.workflowExtendedInfo?.cancelRequested === true) await client.workflow.getHandle(workflowId, next).cancel();
  return true;
}
