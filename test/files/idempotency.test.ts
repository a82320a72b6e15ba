import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertProblem } from '../api/fixture.ts';
import { holds, sha256, useFileWorld } from './world.ts';

const world = useFileWorld();
const newKey = (): Record<string, string> => ({ 'Idempotency-Key': crypto.randomUUID() });

function post(body: string | ReadableStream<Uint8Array>, headers: Record<string, string>, query = 'name=a.txt') {
  return world.raw('POST', `/v1/files?${query}`, { body, headers: { 'Content-Type': 'text/plain', ...headers } });
}

async function files(): Promise<number> {
  return (await world.raw('GET', '/v1/files?limit=200')).body.data.length;
}

describe('POST /v1/files with an Idempotency-Key', () => {
  it('stores the same file once, however often it is sent, and answers with the operation as it stands', async () => {
    const key = newKey();
    const first = await post('hello', key);
    assert.deepEqual([first.status, first.headers.get('idempotency-replayed')], [202, null]);
    await world.ends(first.body.id, 'succeeded');
    const before = await files();
    const again = await post('hello', { ...key, Prefer: 'wait=1' });
    assert.deepEqual([again.status, again.headers.get('idempotency-replayed'), again.body.id], [200, 'true', first.body.id]);
    assert.equal(again.body.status, 'succeeded');
    assert.equal(await files(), before);
  });

  it('takes another file, name or type under the same key for a mistake', async () => {
    const key = newKey();
    await world.ends((await post('hello', key)).body.id, 'succeeded');
    for (const answer of [
      await post('hullo', key),
      await post('hello', key, 'name=b.txt'),
      await post('hello', { ...key, 'Content-Type': 'text/csv' }),
    ])
      assertProblem(answer, 422, 'idempotency_key_reused');
  });

  it('makes one file of two requests at the same moment', async () => {
    const key = newKey();
    const before = await files();
    const answers = await Promise.all([post('hello', key), post('hello', key)]);
    const statuses = answers.map(({ status }) => status).toSorted();
    assert.ok(statuses[0] === 202 && (statuses[1] === 202 || statuses[1] === 423), String(statuses));
    await holds(async () => assert.equal((await post('hello', key)).headers.get('idempotency-replayed'), 'true'));
    assert.equal(await files(), before + 1);
  });

  it('is free again when the request broke off, since that has made nothing', async () => {
    const key = newKey();
    const broken = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('hel'));
        controller.error(new Error('the line is cut'));
      },
    });
    await assert.rejects(post(broken, key));
    await holds(async () => {
      const answer = await post('hello', key);
      assert.deepEqual([answer.status, answer.headers.get('idempotency-replayed')], [202, null]);
      assert.equal((await world.ends(answer.body.id, 'succeeded')).status, 'succeeded');
    });
  });

  it('goes over to the next request when the process of the first one died', async () => {
    const key = newKey();
    const first = await post('hello', key);
    await world.ends(first.body.id, 'succeeded');
    const id = first.body.links.resource.split('/').at(-1);
    // As a process leaves it that dies while it receives: nothing has ended, and its lock has run out.
    const { sql } = world.api();
    await sql(world.tenantId(), `update file set operation_id = null, state = 'uploading' where id = $1`, [id]);
    await sql(
      world.tenantId(),
      `insert into upload (id, tenant_id, state, lock, lock_until, expires_at, created_at, updated_at)
       values ($1, $2, 'open', gen_random_uuid(), now() + interval '1 hour', now() + interval '1 hour', now(), now())
       on conflict (id) do update set state = 'open', lock = excluded.lock, lock_until = excluded.lock_until`,
      [id, world.tenantId()],
    );
    assertProblem(await post('hello', key), 423, 'upload_locked');
    await sql(world.tenantId(), `update upload set lock_until = now() - interval '1 second' where id = $1`, [id]);
    const next = await post('hello', key);
    assert.deepEqual([next.status, next.headers.get('idempotency-replayed')], [202, null]);
    assert.notEqual(next.body.id, first.body.id);
    assert.equal((await world.raw('GET', `/v1/files/${id}`)).status, 404);
    await world.ends(next.body.id, 'succeeded');
  });

  it('keeps keys of tenants and of end users apart', async () => {
    const key = newKey();
    const first = await post('hello', key);
    for (const other of [(await world.api().newTenant()).key, (await world.api().newToken(world.tenantId())).key]) {
      const answer = await world.raw('POST', '/v1/files?name=a.txt', {
        key: other,
        body: 'hello',
        headers: { 'Content-Type': 'text/plain', ...key },
      });
      assert.equal(answer.status, 202, answer.text);
      assert.notEqual(answer.body.id, first.body.id);
    }
  });
});

describe('POST /v1/uploads with an Idempotency-Key', () => {
  const create = (headers: Record<string, string>, body?: string) =>
    world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '10', ...headers }, body });

  it('begins one upload, and tells where it stands', async () => {
    const key = newKey();
    const first = await create(key, 'hello');
    assert.deepEqual([first.status, first.headers.get('upload-offset')], [201, '5']);
    const again = await create(key, 'hello');
    assert.deepEqual(
      [again.status, again.headers.get('location'), again.headers.get('upload-offset'), again.headers.get('idempotency-replayed')],
      [201, first.headers.get('location'), '5', 'true'],
    );
    const path = first.headers.get('location') ?? '';
    assert.equal((await world.tus('PATCH', path, { headers: { 'Upload-Offset': '5' }, body: ' you!' })).status, 204);
    assert.equal((await world.reaches(path.split('/').at(-1) ?? '', 'ready')).sha256, sha256('hello you!'));
    assert.equal((await create(key)).headers.get('upload-offset'), '10');
  });

  it('takes another length or other metadata for a mistake, and what was given up for gone', async () => {
    const key = newKey();
    const first = await create(key);
    assertProblem(await create({ ...key, 'Upload-Length': '11' }), 422, 'idempotency_key_reused');
    assertProblem(await create({ ...key, 'Upload-Metadata': `filename ${btoa('b.txt')}` }), 422, 'idempotency_key_reused');
    await world.tus('DELETE', first.headers.get('location') ?? '');
    assertProblem(await create(key), 410, 'upload_gone');
  });
});
