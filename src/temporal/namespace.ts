import { isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { NativeConnection } from '@temporalio/worker';
import { retryUntilDone } from '../retry.ts';

const RETENTION = '30 days';
const NOT_FOUND = 5; // google.rpc.Code
const ASK_EVERY_MS = 250;
const GIVE_UP_AFTER_MS = 30_000;

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
    await register(connection, namespace);
    return [];
  } catch {
    return [`temporal operator namespace create --namespace ${namespace} --retention 30d`];
  }
}

/** The server's own parts know a new namespace some seconds later; until then everything in it fails. */
async function register(connection: NativeConnection, namespace: string): Promise<void> {
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs(RETENTION) });
  const known = async (): Promise<unknown> => connection.operatorService.listSearchAttributes({ namespace });
  await retryUntilDone(known, { everyMs: ASK_EVERY_MS, signal: AbortSignal.timeout(GIVE_UP_AFTER_MS), onFailure: () => undefined });
}
