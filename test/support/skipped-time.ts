import { TestWorkflowEnvironment } from '@temporalio/testing';
import { useTestServer } from './ground.ts';
import { addSearchAttributes } from './servers.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';

const NAMESPACE = 'default';

/**
 * A Temporal environment whose time skips ahead while a workflow's result is awaited; on a server of this file's own. Call `teardown()`
 * in `after`. It knows updates and signals, but no lists and no schedules; activities and SQL keep real time.
 */
export async function useSkippedTime(): Promise<TestWorkflowEnvironment> {
  const address = await useTestServer();
  // The public way to a time-skipping environment starts a server itself, which nobody would stop if this process were killed.
  const environment = await TestWorkflowEnvironment['create']({
    server: { type: 'existing' },
    address,
    namespace: NAMESPACE,
    client: { dataConverter },
    supportsTimeSkipping: true,
  });
  await addSearchAttributes(environment.connection, NAMESPACE);
  return environment;
}
