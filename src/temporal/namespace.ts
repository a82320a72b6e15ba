import { isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { NativeConnection } from '@temporalio/worker';

const RETENTION = '30 days';
const NOT_FOUND = 5; // google.rpc.Code

/** Makes the namespace when it is missing. Where the server doesn't let us, gives the command that an operator must run. */
export async function ensureNamespace(connection: NativeConnection, namespace: string): Promise<readonly string[]> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return [];
  } catch (error) {
    // Whoever may not look may still be let in: the workers will tell.
    if (!isGrpcServiceError(error) || Number(error.code) !== NOT_FOUND) return [];
  }
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs(RETENTION) });
    return [];
  } catch {
    return [`temporal operator namespace create --namespace ${namespace} --retention 30d`];
  }
}
