// What a team would write first with the SDK: HTTP in, a workflow started eagerly on the worker of the same process, a local activity, a mail.
// Arguments: address of Temporal, namespace, port of the mail server, task queue, and places for workflow tasks, where they are not the SDK's.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import express from 'express';
import { createBaselineActivities, type Mail } from './activities.ts';

const [address, namespace = 'default', smtpPort, taskQueue, slots] = process.argv.slice(2);
if (address === undefined || smtpPort === undefined || taskQueue === undefined)
  throw new Error('Usage: app.ts <Temporal> <namespace> <SMTP port> <task queue> [places for workflow tasks]');
Runtime.install({
  logger: new DefaultLogger('WARN'),
  shutdownSignals: [],
  telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
});
const connection = await NativeConnection.connect({ address });
const client = new Client({ connection, namespace });
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflow.ts', import.meta.url)),
  activities: createBaselineActivities(Number(smtpPort)),
  ...(slots === undefined ? {} : { maxConcurrentWorkflowTaskExecutions: Number(slots) }),
});
const run = worker.run();
let starts = 0;
let eagerStarts = 0;

const app = express();
app.use(express.json());
app.post('/emails', async (request, response) => {
  const mail = request.body as Mail; // a plain application trusts its caller
  const handle = await client.workflow.start('baselineMail', {
    workflowId: `mail-${crypto.randomUUID()}`,
    taskQueue,
    args: [mail],
    requestEagerStart: true,
  });
  starts += 1;
  if (handle.eagerlyStarted) eagerStarts += 1;
  response.status(202).json({ id: handle.workflowId });
});
app.get('/emails/:id', async (request, response) => {
  const { status } = await client.workflow.getHandle(request.params.id).describe();
  response.json({ status: status.name });
});
app.get('/finished', async (_request, response) => {
  const { count } = await client.workflow.count(`TaskQueue = '${taskQueue}' AND ExecutionStatus = 'Completed'`);
  response.json({ count, starts, eagerStarts });
});
const server = createServer(app);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
// It listens on TCP, whose address is an object.
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);

process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
  worker.shutdown();
});
await run;
await connection.close();
process.exit(0);
