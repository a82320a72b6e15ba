// Records the run of an upload's keeper that another run went on with: a part of `npm run histories`.
import { test } from 'node:test';
import { useFileWorld } from '../files/world.ts';
import { EVENTS_PER_RUN } from '../support/servers.ts';
import { recordFirstRun } from './first-run.ts';

// Before the servers start.
process.env[EVENTS_PER_RUN] = '15';
const world = useFileWorld({});

test('an upload whose end is asked for again and again', async () => {
  const path = await world.begin(10);
  const workflowId = `upload:${world.tenantId()}:${path.split('/').at(-1)}`;
  await world.api().sql(world.tenantId(), 'update dispatch set due_at = now() where workflow_id = $1', [workflowId]);
  const handle = world.core().serving.temporal.client.workflow.getHandle(workflowId);
  await recordFirstRun(world.core(), { workflowId, output: 'upload/continued', nudge: () => handle.signal('uploadEnded', {}) });
  const answer = await world.tus('PATCH', path, { headers: { 'Upload-Offset': '0' }, body: 'hello, you' });
  if (answer.status !== 204) throw new Error(answer.text);
});
