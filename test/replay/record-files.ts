// Records the histories of the feature files: a part of `npm run histories`.
import { test } from 'node:test';
import { recordHistory } from '../../scripts/record-histories.ts';
import { createGates } from '../files/gates.ts';
import { useFileWorld } from '../files/world.ts';

const gates = createGates();
const world = useFileWorld({ gates, files: { uploadExpiryMs: 4_000 } });

async function record(workflowId: string, output: string): Promise<void> {
  const { ground, serving } = world.core();
  await serving.temporal.client.workflow
    .getHandle(workflowId)
    .result()
    .catch(() => undefined);
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId, output });
}

async function start(body: string, name = 'a.txt'): Promise<{ readonly fileId: string; readonly id: string; readonly workflowId: string }> {
  const answer = await world.raw('POST', `/v1/files?name=${name}`, { body });
  const row = await world.core().deps.store.operations.get(world.tenantId(), answer.body.id);
  return { fileId: answer.body.links.resource.split('/').at(-1), id: answer.body.id, workflowId: row?.workflow_id ?? '' };
}

async function startKeeper(fileId: string): Promise<string> {
  const workflowId = `upload:${world.tenantId()}:${fileId}`;
  await world.api().sql(world.tenantId(), 'update dispatch set due_at = now() where workflow_id = $1', [workflowId]);
  return workflowId;
}

test('ready', async () => {
  const { id, workflowId } = await start('hello');
  await world.ends(id, 'succeeded');
  await record(workflowId, 'fileProcessing/ready');
});

test('quarantined', async () => {
  const { id, workflowId } = await start('MZ', 'a.png');
  await world.ends(id, 'succeeded');
  await record(workflowId, 'fileProcessing/quarantined');
});

test('paused and resumed', async () => {
  const gate = gates.hold('store');
  const { id, workflowId } = await start('hello');
  await gate.reached;
  await world.raw('POST', `/v1/operations/${id}/pause`);
  gate.release();
  for (let phase = ''; phase !== 'paused'; phase = (await world.raw('GET', `/v1/operations/${id}`)).body.phase);
  await world.raw('POST', `/v1/operations/${id}/resume`);
  await world.ends(id, 'succeeded');
  await record(workflowId, 'fileProcessing/paused');
});

test('cancelled while it is checked', async () => {
  const gate = gates.hold('check');
  const { id, workflowId } = await start('hello');
  await gate.reached;
  await world.raw('POST', `/v1/operations/${id}/cancel`);
  await world.ends(id, 'cancelled');
  await record(workflowId, 'fileProcessing/cancelled');
});

test('gone while it is stored', async () => {
  const gate = gates.hold('store');
  const { fileId, id, workflowId } = await start('hello');
  await gate.reached;
  await world.raw('DELETE', `/v1/files/${fileId}`);
  gate.release();
  await world.ends(id, 'failed');
  await record(workflowId, 'fileProcessing/gone');
  await record(`fileRemoval:${world.tenantId()}:${fileId}`, 'fileRemoval/deleted');
});

test('an upload that expired', async () => {
  const path = await world.begin(10);
  const fileId = path.split('/').at(-1) ?? '';
  const workflowId = await startKeeper(fileId);
  await world.tus('PATCH', path, { headers: { 'Upload-Offset': '0' }, body: 'hello' });
  await world.reaches(fileId, 'failed');
  await record(workflowId, 'upload/expired');
});

test('an upload that came to its end', async () => {
  const path = await world.begin(10);
  const workflowId = await startKeeper(path.split('/').at(-1) ?? '');
  const { client } = world.core().serving.temporal;
  for (let known = false; !known;)
    known = await client.workflow
      .getHandle(workflowId)
      .describe()
      .then(
        () => true,
        () => false,
      );
  const answer = await world.tus('PATCH', path, { headers: { 'Upload-Offset': '0' }, body: 'hello, you' });
  if (answer.status !== 204) throw new Error(answer.text);
  await record(workflowId, 'upload/complete');
});

test('a table transformed', async () => {
  const { id, fileId } = await start('a,b\n1,2\n', 'a.csv');
  await world.ends(id, 'succeeded');
  const answer = await world.raw('POST', `/v1/files/${fileId}/transforms`);
  const row = await world.core().deps.store.operations.get(world.tenantId(), answer.body.id);
  await world.ends(answer.body.id, 'succeeded');
  await record(row?.workflow_id ?? '', 'fileTransform/ready');
});

test('a table that is none', async () => {
  const { id, fileId } = await start('[1]\n', 'a.jsonl');
  await world.ends(id, 'succeeded');
  const answer = await world.raw('POST', `/v1/files/${fileId}/transforms`);
  const row = await world.core().deps.store.operations.get(world.tenantId(), answer.body.id);
  await world.ends(answer.body.id, 'failed');
  await record(row?.workflow_id ?? '', 'fileTransform/failed');
});

test('a transform that is cancelled in a chunk', async () => {
  const { id, fileId } = await start('a,b\n1,2\n', 'a.csv');
  await world.ends(id, 'succeeded');
  const gate = gates.hold('part');
  const answer = await world.raw('POST', `/v1/files/${fileId}/transforms`);
  await gate.reached;
  const row = await world.core().deps.store.operations.get(world.tenantId(), answer.body.id);
  await world.raw('POST', `/v1/operations/${answer.body.id}/cancel`);
  await world.ends(answer.body.id, 'cancelled');
  await record(row?.workflow_id ?? '', 'fileTransform/cancelled');
});
