// A worker process of its own, for tests that look on as it ends: node test/support/workflow-process.ts ADDRESS NAMESPACE BUNDLE LIMIT_MS
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { createQueueWorker } from '../../src/temporal/worker.ts';
import { watchWorkflowThreads } from '../../src/temporal/workflow-threads.ts';

const [address = '', namespace = '', workflowBundlePath = '', limitMs = ''] = process.argv.slice(2);
watchWorkflowThreads(pino(), Number(limitMs));
const connection = await NativeConnection.connect({ address });
const worker = await createQueueWorker({
  connection,
  namespace,
  queue: 'core',
  activities: {},
  activityInterceptors: () => ({}),
  workflowBundlePath,
  shutdownGraceMs: 30_000,
});
process.stdin.resume().once('end', () => worker.shutdown());
await worker.run();
await connection.close();
