import {
  CancellationScope,
  type Next,
  proxyLocalActivities,
  type SignalInput,
  type UpdateInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import type { OperationActivities } from '../../activities/operations.ts';
import type { OperationRef } from '../../contracts/pure/operations.ts';
import { PROFILES } from './profiles.ts';

const { recordMessage } = proxyLocalActivities<OperationActivities>({ ...PROFILES.bookkeeping, summary: 'Audit' });

/** Every signal and update that reaches an operation leaves an audit row, whoever sent it and by whatever tool. */
export function interceptors(): WorkflowInterceptors {
  let ref: OperationRef | undefined;
  const audit = async (type: 'signal' | 'update', name: string, first: unknown): Promise<void> => {
    if (ref === undefined) return;
    const message = { ref, type, name, asked: first, nowMs: Date.now() };
    // A message that comes after a cancel must not end the workflow, which has things to undo.
    await CancellationScope.nonCancellable(() => recordMessage(message));
  };
  const inbound: WorkflowInboundCallsInterceptor = {
    execute(input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>) {
      ref = operationRef(input.args[0]);
      return next(input);
    },
    async handleSignal(input: SignalInput, next: Next<WorkflowInboundCallsInterceptor, 'handleSignal'>) {
      await next(input);
      await audit('signal', input.signalName, input.args[0]);
    },
    async handleUpdate(input: UpdateInput, next: Next<WorkflowInboundCallsInterceptor, 'handleUpdate'>) {
      const result = await next(input);
      await audit('update', input.name, input.args[0]);
      return result;
    },
  };
  const outbound: WorkflowOutboundCallsInterceptor = {
    getLogAttributes(input, next) {
      return next(ref === undefined ? input : { ...input, tenantId: ref.tenantId, operationId: ref.operationId });
    },
  };
  return { inbound: [inbound], outbound: [outbound] };
}

function operationRef(input: unknown): OperationRef | undefined {
  if (typeof input !== 'object' || input === null || !('operationId' in input) || !('tenantId' in input) || !('rootId' in input))
    return undefined;
  // Checked above: only operations are started with these ids.
  return input as OperationRef;
}
