// Files whose bytes are in S3 (an emulator of it, or the service that TEST_S3_ENDPOINT names): the same product, another STORAGE_URL.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import type { FileTransformResult } from '../../src/contracts/files/transform.ts';
import { NO_S3, type S3Service, startS3 } from '../support/s3.ts';
import { holds, sha256, useFileWorld } from './world.ts';

const SIZE_BYTES = 12 * 1024 * 1024;

describe('files in S3', { skip: NO_S3 }, () => {
  let service: S3Service;
  const world = useFileWorld({
    async startStorage() {
      service = await startS3('files');
      return `s3://files/nightshift?endpoint=${encodeURIComponent(service.endpoint)}`;
    },
  });
  after(() => service?.[Symbol.asyncDispose]());

  const names = async () => (await world.core().deps.storage.list({ limit: 1_000 })).objects.map(({ name }) => name);

  it('come in by tus over several requests, are checked, given out in ranges, and removed', async () => {
    const bytes = randomBytes(SIZE_BYTES);
    const id = await world.upload(bytes, { chunkSize: 5 * 1024 * 1024 });
    const file = await world.reaches(id, 'ready');
    assert.deepEqual([file.sizeBytes, file.sha256], [SIZE_BYTES, sha256(bytes)]);
    assert.ok((await names()).includes(`files/${world.tenantId()}/${id}`));
    const headers = { Authorization: `Bearer ${world.key()}`, Range: `bytes=${SIZE_BYTES - 10}-` };
    const range = await fetch(`${world.api().url}/v1/files/${id}/content`, { headers });
    assert.equal(range.status, 206);
    assert.deepEqual(Buffer.from(await range.arrayBuffer()), bytes.subarray(SIZE_BYTES - 10));
    assert.equal((await world.raw('DELETE', `/v1/files/${id}`)).status, 204);
    await holds(async () => assert.ok(!(await names()).includes(`files/${world.tenantId()}/${id}`)));
  });

  it('go on where a writer left them that was taken for dead', async () => {
    const path = await world.begin(10);
    const id = path.split('/').at(-1) ?? '';
    const { uploads } = world.core().deps.store.files;
    const lock = { tenantId: world.tenantId(), id, offsetBytes: 0, lengthBytes: undefined, leaseMs: 60_000, quotaBytes: 10 ** 12 };
    const stopped = await uploads.lock(lock);
    assert.ok(stopped.outcome === 'locked');
    const writer = await world.core().deps.storage.partials.open(id, stopped.upload.segments.at(-1) ?? assert.fail());
    await writer.write([Buffer.from('hello')], 0);
    await writer.flush();
    const expiresAt = new Date(Date.now() + 3_600_000);
    await uploads.commit({ ...lock, lock: stopped.lock, offsetBytes: 5, expiresAt });
    await world.api().sql(world.tenantId(), `update upload set lock_until = now() - interval '1 second' where id = $1`, [id]);
    const answer = await world.tus('PATCH', path, { headers: { 'Upload-Offset': '5' }, body: ' you!' });
    assert.equal(answer.status, 204, answer.text);
    await writer.write([Buffer.from('!!!!!')], 5);
    await writer.flush();
    await writer.close();
    assert.equal((await world.reaches(id, 'ready')).sha256, sha256('hello you!'));
  });

  it('are made into other tables', async () => {
    const file = await world.put(
      `id,name\n${Array.from({ length: 1_000 }, (_, id) => `${id},name ${id}\n`).join('')}`,
      'a.csv',
      'text/csv',
    );
    const answer = await world.raw('POST', `/v1/files/${file.id}/transforms`, {
      body: JSON.stringify({ to: { format: 'jsonl' }, profile: true }),
      headers: { 'Content-Type': 'application/json' },
    });
    const result = (await world.ends(answer.body.id, 'succeeded')).result as FileTransformResult;
    assert.deepEqual([result.rows, result.rejected], [1_000, 0]);
    const { text } = await world.raw('GET', `/v1/files/${result.fileId}/content`);
    assert.equal(text.split('\n')[999], '{"id":999,"name":"name 999"}');
    assert.deepEqual(
      (await names()).filter((name) => name.startsWith('transforms/')),
      [],
    );
  });
});
