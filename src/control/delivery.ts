import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import type { DispatchItem } from '../contracts/bridge.ts';
import { INNER_WORKFLOWS, type InnerRef } from '../contracts/inner-workflows.ts';
import type { Kinds } from '../contracts/kinds.ts';
import type { OperationRef } from '../contracts/pure/operations.ts';

const DEADLINE_MS = 5_000;
/** A killed worker's workflow task is given to another one after this long, rather than after the default 10 s. */
const WORKFLOW_TASK_TIMEOUT = '5s';

const innerTitles: Readonly<Record<string, string>> = INNER_WORKFLOWS;

export interface DeliveryDeps {
  readonly client: Client;
  readonly kinds: Kinds;
  /** Typed search attributes for a start; made where Temporal's types are known. */
  readonly searchAttributesOf: (
    ref: OperationRef | InnerRef,
  ) => NonNullable<Parameters<Client['workflow']['start']>[1]['typedSearchAttributes']>;
  readonly onStart: (kind: string, isEager: boolean) => void;
}

/** What became of a row: `gone` where the workflow had ended before the message came. */
export type DeliveryOutcome = 'started' | 'already_started' | 'delivered' | 'gone';

/**
 * Tells Temporal what one row says. Safe to repeat: a start that Temporal knows is a success, and messages carry the row's id.
 * @throws what the client throws when Temporal can't be reached or refuses
 */
export function deliverItem(deps: DeliveryDeps, item: DispatchItem): Promise<DeliveryOutcome> {
  return deps.client.withDeadline(Date.now() + DEADLINE_MS, () => deliver(deps, item));
}

async function deliver(deps: DeliveryDeps, item: DispatchItem): Promise<DeliveryOutcome> {
  try {
    switch (item.verb) {
      case 'start':
        return await startWorkflow(deps, item);
      case 'signal':
        await deps.client.workflow.getHandle(item.workflowId).signal(item.name ?? '', { ...item.payload, messageId: item.id });
        return 'delivered';
      case 'cancel':
        await deps.client.workflow.getHandle(item.workflowId).cancel();
        return 'delivered';
    }
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'already_started';
    if (error instanceof WorkflowNotFoundError && item.verb !== 'start') return 'gone';
    throw error;
  }
}

async function startWorkflow({ client, kinds, searchAttributesOf, onStart }: DeliveryDeps, item: DispatchItem): Promise<'started'> {
  // Written by the transaction that decided on the start, in exactly this form.
  const ref = item.payload as unknown as OperationRef | InnerRef;
  const handle = await client.workflow.start(item.workflowType, {
    workflowId: item.workflowId,
    taskQueue: item.taskQueue,
    args: [ref],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    requestEagerStart: true,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    staticSummary: kinds[ref.kind]?.title ?? innerTitles[ref.kind] ?? ref.kind,
    typedSearchAttributes: searchAttributesOf(ref),
    priority: { priorityKey: item.priority, fairnessKey: item.tenantId },
  });
  onStart(ref.kind, handle.eagerlyStarted);
  return 'started';
}
