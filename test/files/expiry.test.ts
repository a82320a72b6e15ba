// How long an upload is kept, with a clock that skips ahead.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createFileCoreActivities } from '../../src/activities/files/index.ts';
import { createFileStoring } from '../../src/activities/files/storing.ts';
import { createSlots } from '../../src/activities/lib/slots.ts';
import { createFindBytes } from '../../src/adapters/file-bytes.ts';
import { createSources } from '../../src/adapters/sources.ts';
import { createStorage, type Storage } from '../../src/adapters/storage.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { KINDS } from '../../src/contracts/kinds.ts';
import { type FileRef, uploadWorkflowId } from '../../src/contracts/pure/files.ts';
import { TASK_QUEUES } from '../../src/contracts/pure/task-queues.ts';
import { type Databases, openDatabases } from '../../src/store/database.ts';
import { createStore, type Store } from '../../src/store/index.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { useBundle, useDatabase } from '../support/ground.ts';
import { quietTemporal } from '../support/quiet-temporal.ts';
import { useSkippedTime } from '../support/skipped-time.ts';

const HOUR_MS = 3_600_000;
const KEPT_MS = 24 * HOUR_MS;
const TENANT = 'archive';
const ACTOR = { actor: 'key:test' };
const QUOTA = { quotaBytes: 10 ** 9 };

quietTemporal();
let environment: TestWorkflowEnvironment;
let databases: Databases;
let store: Store;
let storage: Storage;
let folder: string;

before(async () => {
  environment = await useSkippedTime();
  folder = await mkdtemp(join(tmpdir(), 'nightshift-expiry-'));
  storage = createStorage(pathToFileURL(folder).href);
  const { databaseUrl: url } = await useDatabase();
  databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 8 });
  store = createStore(databases, createDispatchBridge());
  await store.tenants.put({ id: TENANT, name: 'An archive', actor: ACTOR, now: new Date() });
});
after(async () => {
  await environment.teardown();
  await databases[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const now = async (): Promise<number> => environment.currentTimeMs();

/** Begun now by the clock that skips, with some bytes. */
async function begin(): Promise<FileRef> {
  const at = await now();
  const created = await store.files.uploads.create({
    ...{
      tenantId: TENANT,
      name: 'a.txt',
      declaredType: undefined,
      lengthBytes: 10,
      metadata: undefined,
      start: {},
      ownerSubject: undefined,
    },
    ...{ actor: ACTOR, idempotency: undefined, isOneRequest: false, ...QUOTA, expiresAt: new Date(at + KEPT_MS), now: new Date(at) },
  });
  assert.ok(created.outcome === 'created');
  const file: FileRef = { tenantId: TENANT, fileId: created.upload.id, kind: 'upload' };
  await send(file, { offsetBytes: 0, bytes: 'hello', at });
  return file;
}

/** A request that came at this time. */
async function send(
  { fileId: id }: FileRef,
  { offsetBytes, bytes, at }: { readonly offsetBytes: number; readonly bytes: string; readonly at: number },
): Promise<void> {
  const taken = await store.files.uploads.lock({ tenantId: TENANT, id, offsetBytes, lengthBytes: undefined, leaseMs: 60_000, ...QUOTA });
  assert.ok(taken.outcome === 'locked', taken.outcome);
  const segment = taken.upload.segments.at(-1) ?? assert.fail('no segment');
  const writer = await storage.partials.open(id, segment);
  await writer.write([Buffer.from(bytes)], offsetBytes);
  await writer.flush();
  await writer.close();
  const released = await store.files.uploads.release({
    ...{ tenantId: TENANT, id, lock: taken.lock, offsetBytes: offsetBytes + bytes.length, isClean: true, lengthBytes: undefined },
    ...{ isRefused: false, isLengthNew: false },
    ...{ sha256: undefined, kind: KINDS.fileProcessing, actor: ACTOR, ...QUOTA, expiresAt: new Date(at + KEPT_MS), now: new Date(at) },
  });
  assert.equal(released.outcome, 'open');
}

/** Runs the workflow that keeps the time of an upload to its end; `meanwhile` happens while it runs. */
async function keep(file: FileRef, meanwhile: () => Promise<void> = async () => undefined): Promise<string> {
  const core = createFileCoreActivities({ store });
  const sources = createSources({ rules: [], workDir: folder });
  const storing = createFileStoring({ store, storage, findBytes: createFindBytes({ storage, sources }), slots: createSlots(1) });
  const connection = environment.nativeConnection;
  const workflowBundle = { codePath: await useBundle() };
  const worker = await Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.core, workflowBundle, activities: { ...core } });
  const files = await Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.files, activities: { ...storing } });
  return files.runUntil(
    worker.runUntil(async () => {
      const handle = await environment.client.workflow.start('upload', {
        workflowId: uploadWorkflowId(TENANT, file.fileId),
        taskQueue: TASK_QUEUES.core,
        args: [file],
      });
      await meanwhile();
      return ((await handle.result()) as { readonly state: string }).state;
    }),
  );
}

/** When it was given up, by the clock that skips: the clock itself goes on skipping once nothing is left to do. */
async function hoursUntilEnd({ fileId }: FileRef, startedAt: number): Promise<number> {
  const row = await store.files.get(TENANT, fileId);
  assert.deepEqual([row?.state, row?.reasons[0]?.code], ['failed', 'upload_expired']);
  return ((row?.updated_at.getTime() ?? 0) - startedAt) / HOUR_MS;
}

async function bytesOf({ fileId }: FileRef): Promise<readonly string[]> {
  return readdir(join(folder, '.temporary/uploads', fileId)).catch(() => []);
}

describe('the time of an upload', () => {
  it('is up 24 hours after its last bytes came: it is given up, and its bytes are removed', async () => {
    const startedAt = await now();
    const file = await begin();
    assert.equal((await bytesOf(file)).length, 1);
    assert.equal(await keep(file), 'expired');
    const hours = await hoursUntilEnd(file, startedAt);
    assert.ok(hours >= 24 && hours < 25, `${hours} hours`);
    assert.deepEqual(await bytesOf(file), []);
  });

  it('begins again with every byte that comes', async () => {
    const startedAt = await now();
    const file = await begin();
    const state = await keep(file, async () => {
      await environment.sleep(20 * HOUR_MS);
      await send(file, { offsetBytes: 5, bytes: ' you', at: await now() });
    });
    assert.equal(state, 'expired');
    const hours = await hoursUntilEnd(file, startedAt);
    assert.ok(hours >= 44 && hours < 45, `${hours} hours`);
  });
});
