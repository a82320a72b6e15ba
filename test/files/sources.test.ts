// Files whose bytes stay where they are: objects in S3 (an emulator of it, or a service), registered by their names.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { FileTransformResult } from '../../src/contracts/files/transform.ts';
import { assertProblem } from '../api/fixture.ts';
import { NO_S3, type S3Service, startS3 } from '../support/s3.ts';
import { createGates } from './gates.ts';
import { holds, sha256, useFileWorld } from './world.ts';

const CSV = 'id,name\n1,Ada\n2,Grace\n3,Edith\n';
const MAX_BYTES = 100_000;

describe('files that are registered where they are', { skip: NO_S3 }, () => {
  let service: S3Service;
  let client: S3Client;
  const gates = createGates();
  const world = useFileWorld({
    gates,
    files: { maxBytes: MAX_BYTES },
    async startStorage() {
      service = await startS3('inbox');
      client = new S3Client({ endpoint: service.endpoint, region: 'us-east-1', forcePathStyle: true });
      return undefined;
    },
    environment: () => ({ FILE_SOURCES: `*=s3://inbox/{tenant}?endpoint=${service.endpoint}` }),
  });
  after(async () => {
    client?.destroy();
    await service?.[Symbol.asyncDispose]();
  });

  const keyOf = (name: string) => `${world.tenantId()}/${name}`;
  const put = (name: string, body: string) =>
    client.send(new PutObjectCommand({ Bucket: 'inbox', Key: keyOf(name), Body: Buffer.from(body) }));
  const remove = (name: string) => client.send(new DeleteObjectCommand({ Bucket: 'inbox', Key: keyOf(name) }));

  interface RegisterOptions {
    readonly fields?: object;
    readonly headers?: Readonly<Record<string, string>>;
    readonly key?: string;
  }

  const registerAt = (source: unknown, { fields = {}, headers = {}, key }: RegisterOptions = {}) =>
    world.raw('POST', '/v1/files', {
      body: JSON.stringify({ source, ...fields }),
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(key === undefined ? {} : { key }),
    });

  /** Registers an object of this content, and waits for the end of its check. */
  async function registered(name: string, content: string, fields: object = {}) {
    await put(name, content);
    const answer = await registerAt(`s3://inbox/${keyOf(name)}`, { fields, headers: { Prefer: 'wait=25' } });
    assert.equal(answer.status, 200, answer.text);
    return { operationId: answer.body.id as string, file: (await world.raw('GET', answer.body.links.resource)).body };
  }

  const contentOf = (id: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
    world.raw(method, `/v1/files/${id}/content`, { headers });
  const transform = (id: string) =>
    world.raw('POST', `/v1/files/${id}/transforms`, {
      body: JSON.stringify({ to: { format: 'jsonl' }, profile: true }),
      headers: { 'Content-Type': 'application/json' },
    });
  const workFiles = () => readdir(`${world.folder()}-work`).catch(() => []);

  async function start(name: string, fields: object = {}) {
    const answer = await registerAt(`s3://inbox/${keyOf(name)}`, { fields });
    assert.equal(answer.status, 202, answer.text);
    const { workflow_id: workflowId = '' } = (await world.core().deps.store.operations.get(world.tenantId(), answer.body.id)) ?? {};
    return { id: answer.body.links.resource.split('/').at(-1) as string, operationId: answer.body.id as string, workflowId };
  }

  it('are checked, and given out like every other, and neither copied nor counted', async () => {
    const { file } = await registered('2026/orders.csv', CSV, { type: 'text/csv', metadata: { from: 'partner' }, ownerSubject: 'u_1' });
    assert.deepEqual(
      [file.state, file.name, file.mediaType, file.sizeBytes, file.sha256, file.source, file.ownerSubject, file.metadata.from],
      ['ready', 'orders.csv', 'text/csv', CSV.length, sha256(CSV), `s3://inbox/${keyOf('2026/orders.csv')}`, 'u_1', 'partner'],
    );
    const whole = await contentOf(file.id);
    assert.deepEqual([whole.status, whole.text, whole.headers.get('etag')], [200, CSV, `"${sha256(CSV)}"`]);
    assert.match(whole.headers.get('content-disposition') ?? '', /^attachment; filename="orders.csv"/);
    assert.equal((await contentOf(file.id, { Range: 'bytes=3-6' })).text, 'name');
    assert.match((await contentOf(file.id, { Range: 'bytes=0-1,3-6' })).text, /\r\n\r\nid\r\n[^]*\r\n\r\nname\r\n/);
    assert.equal((await contentOf(file.id, {}, 'HEAD')).status, 200);
    const { body } = await world.raw('POST', `/v1/files/${file.id}/links`, { headers: { 'Content-Type': 'application/json' } });
    const link = new URL(body.url);
    assert.equal(await (await fetch(`${world.api().url}${link.pathname}`)).text(), CSV);
    assert.deepEqual((await world.core().deps.storage.list({ prefix: `files/${world.tenantId()}/` })).objects, []);
    assert.deepEqual(await world.api().sql(world.tenantId(), 'select bytes from file_usage where bytes > 0'), []);
    assert.deepEqual(await workFiles(), []);
  });

  it('are made into other tables, which are ours', async () => {
    const { file } = await registered('table.csv', CSV);
    const { result } = await world.ends((await transform(file.id)).body.id, 'succeeded');
    const { fileId, rows } = result as unknown as FileTransformResult;
    assert.equal(rows, 3);
    assert.equal((await contentOf(fileId)).text, '{"id":1,"name":"Ada"}\n{"id":2,"name":"Grace"}\n{"id":3,"name":"Edith"}\n');
    assert.equal((await world.file(fileId)).source, undefined);
  });

  it('go to quarantine when they are not what they say', async () => {
    const { file } = await registered('cat.png', 'MZ this is no picture');
    assert.equal(file.state, 'quarantined');
    assertProblem(await contentOf(file.id), 409, 'file_not_ready');
  });

  it('are forgotten, and stay where they are, when somebody deletes them', async () => {
    const { file } = await registered('keep.csv', CSV);
    assert.equal((await world.raw('DELETE', `/v1/files/${file.id}`)).status, 204);
    assertProblem(await contentOf(file.id), 404, 'not_found');
    await holds(async () => {
      const [row] = await world.api().sql(world.tenantId(), 'select source, source_etag from file where id = $1', [file.id]);
      assert.deepEqual(row, { source: null, source_etag: null });
    });
    const kept = await client.send(new GetObjectCommand({ Bucket: 'inbox', Key: keyOf('keep.csv') }));
    assert.equal(await kept.Body?.transformToString(), CSV);
  });

  for (const [what, change] of [
    ['replaced', (name: string) => put(name, CSV.replace('Ada', 'Bob'))],
    ['removed', remove],
  ] as const)
    it(`are refused once the object was ${what}, until it is again what it was`, async () => {
      const name = `${what}.csv`;
      const { file } = await registered(name, CSV);
      await change(name);
      for (const headers of [{}, { Range: 'bytes=3-6' }, { Range: 'bytes=0-1,3-6' }]) {
        const answer = await contentOf(file.id, headers);
        assertProblem(answer, 409, 'source_changed');
        assert.deepEqual([answer.headers.get('etag'), answer.headers.get('content-disposition')], [null, null]);
      }
      assert.equal((await contentOf(file.id, {}, 'HEAD')).status, 409);
      const { error } = await world.ends((await transform(file.id)).body.id, 'failed');
      assert.deepEqual([error?.code, error?.retryable], ['source_changed', false]);
      const again = await world.raw('POST', '/v1/operations', {
        body: JSON.stringify({ kind: 'fileProcessing', input: { fileId: file.id } }),
        headers: { 'Content-Type': 'application/json', Prefer: 'wait=25' },
      });
      assert.deepEqual([again.body.status, again.body.error?.code], ['failed', 'source_changed'], again.text);
      const failed = await world.file(file.id);
      assert.deepEqual([failed.state, failed.reasons?.map(({ code }) => code)], ['failed', ['source_changed']]);
      await put(name, CSV);
      await world.raw('POST', `/v1/operations/${again.body.id}/retry`);
      await world.reaches(file.id, 'ready');
      assert.equal((await contentOf(file.id)).text, CSV);
    });

  it('fail when the object is replaced before it was read', async () => {
    await put('late.csv', CSV);
    const { id, operationId } = await start('late.csv', { startAt: new Date(Date.now() + 3_600_000).toISOString() });
    await put('late.csv', 'something else');
    const now = await world.raw('PATCH', `/v1/operations/${operationId}`, {
      body: JSON.stringify({ startAt: new Date().toISOString() }),
      headers: { 'Content-Type': 'application/json' },
    });
    assert.equal(now.status, 200, now.text);
    assert.equal((await world.ends(operationId, 'failed')).error?.code, 'source_changed');
    assert.equal((await world.file(id)).reasons?.[0]?.code, 'source_changed');
  });

  it('are registered once for an Idempotency-Key, whatever becomes of the object', async () => {
    await put('once.csv', CSV);
    const headers = { 'Idempotency-Key': 'once' };
    const first = await registerAt(`s3://inbox/${keyOf('once.csv')}`, { headers });
    assert.equal(first.status, 202, first.text);
    await world.ends(first.body.id, 'succeeded');
    await remove('once.csv');
    const second = await registerAt(`s3://inbox/${keyOf('once.csv')}`, { headers });
    assert.deepEqual([second.body.id, second.headers.get('idempotency-replayed')], [first.body.id, 'true'], second.text);
    assertProblem(await registerAt(`s3://inbox/${keyOf('other.csv')}`, { headers }), 422, 'idempotency_key_reused');
    const asFile = await world.raw('POST', '/v1/files?name=a.csv', { body: CSV, headers: { ...headers, 'Content-Type': 'text/csv' } });
    assertProblem(asFile, 422, 'idempotency_key_reused');
    await put('together.csv', CSV);
    const together = await Promise.all(
      Array.from({ length: 4 }, () => registerAt(`s3://inbox/${keyOf('together.csv')}`, { headers: { 'Idempotency-Key': 'together' } })),
    );
    assert.equal(new Set(together.map(({ body }) => body.id)).size, 1);
  });

  it('are refused with what to do where they can not be had, and nothing is stored', async () => {
    await put('large.csv', 'x'.repeat(MAX_BYTES + 1));
    await put('mine.csv', CSV);
    const before = await world.api().sql(world.tenantId(), 'select count(*) from file');
    const mine = `s3://inbox/${keyOf('mine.csv')}`;
    const other = await world.api().newTenant();
    assertProblem(await registerAt(mine, { key: other.key }), 403, 'source_not_allowed');
    assertProblem(await registerAt(`s3://inbox/${other.id}/x`), 403, 'source_not_allowed');
    const elsewhere = await registerAt('s3://outbox/x');
    assertProblem(elsewhere, 403, 'source_not_allowed');
    assert.match(elsewhere.body.detail, /FILE_SOURCES/);
    assertProblem(await registerAt(`s3://inbox/${keyOf('missing.csv')}`), 422, 'source_unreadable');
    assertProblem(await registerAt(`s3://inbox/${keyOf('large.csv')}`), 413, 'payload_too_large');
    assertProblem(await registerAt(mine, { key: (await world.api().newToken(world.tenantId())).key }), 403, 'key_required');
    const checksum = { 'Upload-Checksum': `crc32 ${Buffer.alloc(4).toString('base64')}` };
    for (const answer of [
      ...(await Promise.all(
        ['', 's3://inbox', `s3://inbox/${keyOf('../other/x')}`, `s3://inbox/${keyOf('a/')}`, 'https://inbox/x', `${mine}\n`, 7, null].map(
          (source) => registerAt(source),
        ),
      )),
      await registerAt(mine, { fields: { name: 'a/b' } }),
      await registerAt(mine, { fields: { unknown: 1 } }),
      await registerAt(mine, { headers: checksum }),
    ])
      assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(await world.api().sql(world.tenantId(), 'select count(*) from file'), before);
    assert.deepEqual(await world.api().sql(other.id, 'select id from file'), []);
  });

  it('are told from JSON that is a file, by the name that such a file must have', async () => {
    const json = JSON.stringify({ source: 's3://outbox/x' });
    const file = await world.put(json, 'data.json', 'application/json');
    assert.deepEqual([file.state, file.source, file.sizeBytes], ['ready', undefined, json.length]);
    const unnamed = await world.raw('POST', '/v1/files', { body: '[1]', headers: { 'Content-Type': 'application/json' } });
    assertProblem(unnamed, 400, 'invalid_request');
    assert.match(unnamed.body.detail, /name=data.json/);
  });

  it('can be cancelled and terminated while they are checked, and retried; no copy stays', async () => {
    await put('slow.csv', CSV);
    for (const end of ['cancelled', 'failed'] as const) {
      const gate = gates.hold('check');
      const { id, operationId, workflowId } = await start('slow.csv');
      await gate.reached;
      if (end === 'cancelled') await world.raw('POST', `/v1/operations/${operationId}/cancel`);
      else await world.core().serving.temporal.client.workflow.getHandle(workflowId).terminate('test');
      await world.ends(operationId, end);
      assert.equal((await world.file(id)).state, 'failed');
      gate.release();
      await world.raw('POST', `/v1/operations/${operationId}/retry`);
      await world.reaches(id, 'ready');
      await holds(async () => assert.deepEqual(await workFiles(), []));
    }
  });
});
