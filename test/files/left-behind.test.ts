// What becomes of uploads and bytes when an operator's tool ends the workflow that would have seen to them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileRemovalWorkflowId, uploadWorkflowId } from '../../src/contracts/pure/files.ts';
import { createGates } from './gates.ts';
import { sweepAfter } from './sweep-after.ts';
import { holds, useFileWorld } from './world.ts';

const HALF_AN_HOUR = 1 / 48; // of a day; the world keeps uploads for an hour
const gates = createGates();
const world = useFileWorld({ gates });

const idOf = (path: string): string => path.split('/').at(-1) ?? '';
const handleOf = (workflowId: string) => world.core().serving.temporal.client.workflow.getHandle(workflowId);

async function usage(): Promise<number> {
  return Number((await world.api().sql(world.tenantId(), 'select bytes from file_usage'))[0]?.['bytes'] ?? 0);
}

async function terminate(workflowId: string): Promise<void> {
  await holds(async () => assert.equal((await handleOf(workflowId).describe()).status.name, 'RUNNING'));
  await handleOf(workflowId).terminate('test');
}

/** An upload with some bytes, whose keeper somebody has ended. */
async function unkept(): Promise<string> {
  const path = await world.begin(10);
  assert.equal((await world.tus('PATCH', path, { headers: { 'Upload-Offset': '0' }, body: 'hello' })).status, 204);
  const workflowId = uploadWorkflowId(world.tenantId(), idOf(path));
  await world.api().sql(world.tenantId(), 'update dispatch set due_at = now() where workflow_id = $1', [workflowId]);
  await terminate(workflowId);
  return path;
}

/** Nothing is left to be found by the next sweep. */
async function assertNothingIsLeft(): Promise<void> {
  const { files } = world.core().deps.store.system;
  const late = new Date(Date.now() + 10 * 86_400_000);
  assert.deepEqual([await files.overdueUploads(late, 100), await files.unremoved(late, 100)], [[], []]);
}

describe('after `temporal workflow terminate`', () => {
  it('an upload is given up all the same, once its time is up', async () => {
    const before = await usage();
    const path = await unkept();
    await sweepAfter(world, HALF_AN_HOUR);
    assert.equal((await world.file(idOf(path))).state, 'uploading');
    await sweepAfter(world, 1);
    const file = await world.file(idOf(path));
    assert.deepEqual([file.state, file.reasons?.[0]?.code], ['failed', 'upload_expired']);
    assert.equal((await world.tus('HEAD', path)).status, 410);
    assert.deepEqual([await world.partials(idOf(path)), await usage()], [[], before]);
    await assertNothingIsLeft();
  });

  it('the bytes of an upload that has expired go all the same', async () => {
    const before = await usage();
    const path = await unkept();
    const { removal } = world.core().deps.store.files;
    const ref = { tenantId: world.tenantId(), fileId: idOf(path), kind: 'upload' } as const;
    assert.equal((await removal.expireIfDue(ref, new Date(Date.now() + 2 * 3_600_000))).state, 'expired');
    assert.equal((await world.partials(idOf(path))).length, 1);
    await sweepAfter(world, 1);
    assert.deepEqual([await world.partials(idOf(path)), await usage()], [[], before]);
    await assertNothingIsLeft();
  });

  it('the bytes of a deleted file go all the same', async () => {
    const before = await usage();
    const { id } = await world.put('hello', 'a.txt', 'text/plain');
    const objectName = `files/${world.tenantId()}/${id}`;
    const gate = gates.hold('remove');
    assert.equal((await world.raw('DELETE', `/v1/files/${id}`)).status, 204);
    await gate.reached;
    await terminate(fileRemovalWorkflowId(world.tenantId(), id));
    assert.notEqual(await world.core().deps.storage.stat(objectName), undefined);
    await sweepAfter(world, 1);
    assert.deepEqual([await world.core().deps.storage.stat(objectName), await usage()], [undefined, before]);
    await assertNothingIsLeft();
  });
});
