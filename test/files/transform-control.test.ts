// Transforms in the hands of users and operators: what is in the ledger is not done again, and what did not come to its end leaves nothing.
import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { FileTransformResult } from '../../src/contracts/files/transform.ts';
import type { RunRef } from '../../src/contracts/pure/operations.ts';
import type { MadeFile } from '../../src/store/files/made.ts';
import type { TransformRow } from '../../src/store/files/transforms.ts';
import { createGates } from './gates.ts';
import { sweepAfter } from './sweep-after.ts';
import { holds, useFileWorld } from './world.ts';

const ROWS = 30_000;
/** Chunks that come to their end before the step is held. */
const DONE = 3;
const FIRST_WORKFLOW_TASK = 4;

const gates = createGates();
const world = useFileWorld({ gates, environment: { TRANSFORM_CHUNK_BYTES: '65536' } });

let table: Promise<string> | undefined;

/** A file that all tests transform. */
function tableId(): Promise<string> {
  const rows = Array.from({ length: ROWS }, (_, index) => `${index},some words for row ${index}\n`);
  table ??= world.put(`id,name\n${rows.join('')}`, 'rows.csv', 'text/csv').then(({ id }) => id);
  return table;
}

interface Started {
  readonly id: string;
  readonly workflowId: string;
}

async function start(body: object = {}): Promise<Started> {
  const answer = await send(`/v1/files/${await tableId()}/transforms`, body);
  assert.equal(answer.status, 202, answer.text);
  return withWorkflow(answer.body.id);
}

async function withWorkflow(id: string): Promise<Started> {
  const row = await world.core().deps.store.operations.get(world.tenantId(), id);
  return { id, workflowId: row?.workflow_id ?? '' };
}

function send(path: string, body: object = {}) {
  return world.raw('POST', path, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
}

/** Starts one and stops it in the middle, when some chunks are in the ledger. */
async function startAndHold(): Promise<Started & { readonly release: () => void }> {
  const gate = gates.hold('part', DONE);
  const started = await start();
  await gate.reached;
  return { ...started, release: gate.release };
}

async function retry({ id }: Started): Promise<Started> {
  const answer = await send(`/v1/operations/${id}/retry`);
  assert.equal(answer.status, 202, answer.text);
  return withWorkflow(answer.body.id);
}

/** Numbers of the chunks that were begun, in order. */
async function chunksOf({ id }: Pick<Started, 'id'>): Promise<readonly number[]> {
  const entries = (await world.raw('GET', `/v1/operations/${id}/timeline`)).body.data as { activity: string; activityId: string }[];
  return entries.filter(({ activity }) => activity === 'transformChunk').map(({ activityId }) => Number(activityId.replace('chunk-', '')));
}

async function assertComplete({ id }: Started): Promise<void> {
  const result = (await world.ends(id, 'succeeded')).result as FileTransformResult;
  assert.equal(result.rows, ROWS);
  assert.equal((await world.file(result.fileId)).state, 'ready');
  assert.deepEqual(await parts(), []);
}

async function parts(): Promise<readonly string[]> {
  return (await world.core().deps.storage.list({ prefix: 'transforms/' })).objects.map(({ name }) => name);
}

async function tables(): Promise<number> {
  return (await world.raw('GET', '/v1/files?state=ready&limit=200')).body.data.length;
}

const handleOf = ({ workflowId }: Started) => world.core().serving.temporal.client.workflow.getHandle(workflowId);

async function reset(started: Started): Promise<void> {
  const { serving, ground } = world.core();
  await serving.temporal.client.workflowService.resetWorkflowExecution({
    namespace: ground.namespace,
    workflowExecution: { workflowId: started.workflowId, runId: (await handleOf(started).describe()).runId },
    reason: 'test',
    workflowTaskFinishEventId: FIRST_WORKFLOW_TASK as never,
    requestId: crypto.randomUUID(),
  });
}

describe('a transform', () => {
  it('that was terminated in the middle goes on with the next chunk when it is retried', async () => {
    const started = await startAndHold();
    await handleOf(started).terminate('test');
    await world.ends(started.id, 'failed');
    const again = await retry(started);
    await assertComplete(again);
    assert.deepEqual(await chunksOf(started), [0, 1, 2, 3]);
    const done = await chunksOf(again);
    assert.deepEqual(
      done,
      done.map((_, index) => DONE + index),
    );
  });

  it('that was reset in the middle does no chunk of the ledger again', async () => {
    const started = await startAndHold();
    await reset(started);
    await assertComplete(started);
    const done = await chunksOf(started);
    assert.ok(done.length - new Set(done).size <= 1, String(done));
  });

  it('that was reset after its end makes the table again', async () => {
    const started = await start();
    await assertComplete(started);
    const before = (await chunksOf(started)).length;
    await reset(started);
    await holds(async () => assert.equal((await chunksOf(started)).length, 2 * before));
    await assertComplete(started);
  });

  it('pauses before its parts are put together, and goes on when told twice', async () => {
    const started = await startAndHold();
    await send(`/v1/operations/${started.id}/pause`);
    started.release();
    await holds(async () => assert.equal((await world.raw('GET', `/v1/operations/${started.id}`)).body.phase, 'paused'));
    await send(`/v1/operations/${started.id}/resume`);
    await handleOf(started)
      .signal('resume', { actor: 'test' })
      .catch(() => undefined);
    await assertComplete(started);
  });

  for (const [step, phase] of [
    ['part', 'in a chunk'],
    ['join', 'while its parts are put together'],
  ] as const)
    it(`that is cancelled ${phase} leaves nothing, and can be retried`, async (t) => {
      const before = await tables();
      const gate = gates.hold(step);
      const started = await start();
      await gate.reached;
      await send(`/v1/operations/${started.id}/cancel`);
      await world.ends(started.id, 'cancelled');
      t.diagnostic(await world.toldOfCancel(started.id, step === 'part' ? 'transformFile' : 'finishTransform'));
      assert.deepEqual(await parts(), []);
      assert.equal(await tables(), before);
      await assertComplete(await retry(started));
    });

  it('that is cancelled before it began never begins', async () => {
    const started = await start({ startAt: new Date(Date.now() + 3_600_000).toISOString() });
    await send(`/v1/operations/${started.id}/cancel`);
    await world.ends(started.id, 'cancelled');
    assert.deepEqual(await chunksOf(started), []);
  });

  it('that comes too late makes nothing', async () => {
    const before = await tables();
    const expiresAt = new Date(Date.now() + 3_000).toISOString();
    const gate = gates.hold('part');
    const { id } = await start({ expiresAt });
    const expired = world.ends(id, 'expired');
    await Promise.race([gate.reached, expired]);
    await holds(async () => assert.ok(Date.now() > Date.parse(expiresAt)));
    gate.release();
    await expired;
    assert.equal(await tables(), before);
  });

  it('whose file is deleted in the middle ends, and leaves nothing', async () => {
    const { id } = await world.put('a,b\n1,2\n', 'doomed.csv', 'text/csv');
    const gate = gates.hold('part');
    const answer = await send(`/v1/files/${id}/transforms`);
    await gate.reached;
    await world.raw('DELETE', `/v1/files/${id}`);
    gate.release();
    const { error } = await world.ends(answer.body.id, 'failed');
    assert.equal(error?.code, 'file_gone');
    assert.deepEqual(await parts(), []);
  });
});

describe('an attempt that was only stopped', () => {
  const CHUNK = { first_line: 1, end_line: 9, is_last: false, rows: 8, rejected: 0, has_part: true, has_rejects: false };
  const first = { ...CHUNK, number: 0, first_byte: 0, end_byte: 100 };

  async function begin(): Promise<{ readonly run: RunRef; readonly transform: TransformRow }> {
    const id = crypto.randomUUID();
    const run: RunRef = {
      ...{ tenantId: world.tenantId(), operationId: id, rootId: id, runId: crypto.randomUUID(), kind: 'fileTransform' },
      ...{ attempt: 1, nowMs: Date.now() },
    };
    return { run, transform: (await transforms().begin(run, 'digest')).transform };
  }

  const transforms = () => world.core().deps.store.files.transforms;

  it('keeps the chunk that it had in hand, and stops, once another goes on', async () => {
    const { run, transform: stopped } = await begin();
    const { transform: next } = await transforms().begin(run, 'digest');
    assert.equal(await transforms().finishChunk(stopped, first), false);
    assert.equal(await transforms().finishChunk(next, first), true);
    const second = { ...CHUNK, number: 1, first_byte: 100, end_byte: 200 };
    assert.equal(await transforms().finishChunk(next, second), true);
    assert.equal(await transforms().finishChunk(stopped, { ...second, end_byte: 150 }), false);
    const { chunks } = await transforms().begin(run, 'digest');
    assert.deepEqual(
      chunks.map(({ end_byte }) => end_byte),
      [100, 200],
    );
    await transforms().forget(run);
  });

  it('reads the table as the first one decided to', async () => {
    const { run, transform } = await begin();
    assert.equal(await transforms().setPlan(transform, { columns: 'of the first' }), true);
    assert.equal(await transforms().setPlan(transform, { columns: 'of another' }), true);
    assert.deepEqual((await transforms().begin(run, 'digest')).transform.plan, { columns: 'of the first' });
    await transforms().forget(run);
  });

  it('adds and shows nothing once the work has ended or was begun anew', async () => {
    const { made } = world.core().deps.store.files;
    const { run, transform } = await begin();
    const file: MadeFile = { id: transform.output_id, name: 'a', mediaType: 'text/csv', objectName: 'files/a', sizeBytes: 1, sha256: 'x' };
    const publish = { run, files: [file], ownerSubject: null, quotaBytes: 10 ** 12 };
    await transforms().begin(run, 'another digest');
    assert.equal(await made.publish(publish), 'overtaken');
    assert.equal(await transforms().finishChunk(transform, first), false);
    const { transform: anew } = await transforms().begin(run, 'another digest');
    await made.withdraw(run);
    assert.equal(await transforms().finishChunk(anew, first), false);
    assert.equal(await transforms().setPlan(anew, {}), false);
    assert.equal(await made.publish({ ...publish, files: [{ ...file, id: anew.output_id }] }), 'overtaken');
    assert.equal((await world.raw('GET', `/v1/files/${anew.output_id}`)).status, 404);
    await transforms().forget(run);
  });
});

describe('a transform that was terminated and that nobody retried', () => {
  async function terminated(): Promise<Started> {
    const started = await startAndHold();
    await handleOf(started).terminate('test');
    await world.ends(started.id, 'failed');
    assert.notDeepEqual(await parts(), []);
    return started;
  }

  it('is kept for a week, for a retry to go on with', async () => {
    const started = await terminated();
    await sweepAfter(world, 6);
    const again = await retry(started);
    await assertComplete(again);
    assert.equal((await chunksOf(again))[0], DONE);
  });

  it('leaves nothing after that, and a retry begins anew', async () => {
    const started = await terminated();
    await sweepAfter(world, 8);
    assert.deepEqual(await parts(), []);
    assert.deepEqual(await world.api().sql(world.tenantId(), 'select id from file_transform'), []);
    const again = await retry(started);
    await assertComplete(again);
    assert.equal((await chunksOf(again))[0], 0);
  });

  it('leaves nothing of an attempt that went on after all was cleared up', async () => {
    const started = await terminated();
    await sweepAfter(world, 8);
    assert.deepEqual(await parts(), []);
    const { storage } = world.core().deps;
    const late = `transforms/${world.tenantId()}/${started.id}/${crypto.randomUUID()}/3-9-part`;
    await storage.put(late, Readable.from(['late']));
    await sweepAfter(world, 6);
    assert.deepEqual(await parts(), [late]);
    await sweepAfter(world, 8);
    assert.deepEqual(await parts(), []);
  });

  it('is left alone while a retry is under way, and once it has begun anew', async () => {
    const started = await terminated();
    const gate = gates.hold('part');
    const again = await retry(started);
    await gate.reached;
    await sweepAfter(world, 8);
    assert.notDeepEqual(await parts(), []);
    const { made } = world.core().deps.store.files;
    const now = new Date(Date.now() + 8 * 86_400_000);
    assert.equal(await made.abandon({ tenantId: world.tenantId(), id: started.id, endedBefore: now, now }), undefined);
    gate.release();
    await assertComplete(again);
  });
});

it('what a killed process began to put in storage goes after a day', async () => {
  const folder = join(world.folder(), '.temporary');
  await mkdir(folder, { recursive: true });
  const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
  for (const name of ['stale', 'fresh']) await writeFile(join(folder, name), 'half of it');
  await utimes(join(folder, 'stale'), twoDaysAgo, twoDaysAgo);
  await sweepAfter(world, 0);
  const left = await readdir(folder);
  assert.deepEqual([left.includes('stale'), left.includes('fresh')], [false, true]);
});
