import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type Api, START, assertProblem, startApi } from './fixture.ts';

let api: Api;

before(async () => void (api = await startApi()));
after(() => api[Symbol.asyncDispose]());

/** A tenant with work of the subject u_1. */
async function world() {
  const tenant = await api.newTenant();
  const { id } = (await api.call('POST', '/v1/operations', { key: tenant.key, body: { ...START, ownerSubject: 'u_1' } })).body;
  return { ...tenant, operationId: String(id), stream: `/v1/operations/${id}/stream` };
}

/** All that a stream sends until the server ends it. */
async function readToEnd(path: string, whenOpen: () => Promise<unknown>): Promise<string> {
  const response = await fetch(`${api.url}${path}`);
  assert.equal(response.status, 200);
  let text = '';
  let opened = false;
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (!opened && text.includes('event: ')) {
      opened = true;
      await whenOpen();
    }
  }
  return text;
}

describe('a token', () => {
  it('is made by a key, shown once, stored as a hash, and written to no log', async () => {
    const { id: tenantId, key, operationId } = await world();
    const body = { subject: 'u_1', scopes: ['email:read', 'operations:read'], resources: [`email/${operationId}`] };
    const made = await api.call('POST', '/v1/tokens', { key, body });
    assert.equal(made.status, 201);
    assert.match(made.body.secret, /^nt_[a-z0-9]{8}_[\w-]{43}[0-9a-f]{6}$/);
    const { object, subject, scopes, resources } = made.body;
    assert.deepEqual({ object, subject, scopes, resources }, { object: 'token', ...body });
    assert.equal(Date.parse(made.body.expiresAt) - Date.parse(made.body.createdAt), 15 * 60_000);
    assert.equal((await api.call('GET', `/v1/emails/${operationId}`, { key: made.body.secret })).status, 200);
    const stored = await api.sql(tenantId, 'select * from api_key where id = $1', [made.body.id]);
    assert.ok(!JSON.stringify(stored).includes(made.body.secret.slice(12)));
    assert.ok(!JSON.stringify(api.logged).includes(made.body.secret.slice(12)));
    assert.ok(!(await api.call('GET', '/v1/api-keys', { key })).text.includes(made.body.id));
    assertProblem(await api.call('DELETE', `/v1/api-keys/${made.body.id}`, { key }), 404, 'not_found');
    const audited = await api.sql(tenantId, `select action, subject from audit_entry where target = $1`, [`token/${made.body.id}`]);
    assert.deepEqual(audited, [{ action: 'token.created', subject: 'u_1' }]);
  });

  it('is listed, newest first, by its subject too, and never with its secret', async () => {
    const { key } = await api.newTenant();
    const make = async (subject: string) =>
      (await api.call('POST', '/v1/tokens', { key, body: { subject, scopes: ['email:read'] } })).body as { id: string; secret: string };
    const [first, second, third] = [await make('u_1'), await make('u_2'), await make('u_1')];
    await api.call('DELETE', `/v1/tokens/${first.id}`, { key });
    const list = async (query: string) => (await api.call('GET', `/v1/tokens${query}`, { key })).body;
    const ids = async (query: string) => (await list(query)).data.map(({ id }: { id: string }) => id);
    assert.deepEqual(await ids(''), [third.id, second.id, first.id]);
    assert.deepEqual(await ids('?subject=u_1'), [third.id, first.id]);
    const page = await list('?limit=2');
    assert.deepEqual([page.hasMore, await ids(`?cursor=${page.nextCursor}`)], [true, [first.id]]);
    assert.ok((await list('?subject=u_1')).data[1].revokedAt !== undefined);
    assert.ok(!JSON.stringify(await list('')).includes(second.secret.slice(12)));
    assertProblem(await api.call('GET', '/v1/tokens', { key: third.secret }), 403, 'key_required');
  });

  it('lives a minute to an hour, and never longer than the key', async () => {
    const { id: tenantId, key } = await world();
    const ask = (ttl: unknown, by = key) =>
      api.call('POST', '/v1/tokens', { key: by, body: { subject: 'u_1', scopes: ['email:read'], ttl } });
    for (const ttl of ['1m', '60s', '1h', '3600s']) assert.equal((await ask(ttl)).status, 201, ttl);
    for (const ttl of ['59s', '61m', '2h', '7d', '0s', 'soon', '', 60, null]) assertProblem(await ask(ttl), 400, 'invalid_request');
    const short = await api.newKey(tenantId, ['*'], new Date(Date.now() + 120_000));
    const lifeMs = Date.parse((await ask('1h', short.key)).body.expiresAt) - Date.now();
    assert.ok(lifeMs > 100_000 && lifeMs <= 120_000, `${lifeMs} ms`);
  });

  it('gets no more than its key has, and nothing that only keys may do', async () => {
    const { id: tenantId, key } = await world();
    const narrow = (await api.newKey(tenantId, ['tokens:write', 'email:read'])).key;
    const ask = (by: string, ...scopes: string[]) => api.call('POST', '/v1/tokens', { key: by, body: { subject: 'u_1', scopes } });
    assert.equal((await ask(narrow, 'email:read')).status, 201);
    for (const scope of ['email:write', 'email:*', 'operations:read'])
      assertProblem(await ask(narrow, 'email:read', scope), 403, 'insufficient_scope');
    for (const scope of ['*', 'admin', 'tokens:write', 'sessions:write', 'users:read', 'events:read'])
      assertProblem(await ask(key, scope), 400, 'invalid_request');
    for (const subject of ['', 'tenant', 'ada@example.com', 'a b'])
      assertProblem(await api.call('POST', '/v1/tokens', { key, body: { subject, scopes: ['email:read'] } }), 400, 'invalid_request');
    for (const resource of ['operation', 'operation/', '/x', 'Operation/x', 'operation/a/b'])
      assertProblem(
        await api.call('POST', '/v1/tokens', { key, body: { subject: 'u_1', scopes: ['email:read'], resources: [resource] } }),
        400,
        'invalid_request',
      );
  });

  it('starts and sees work of its own subject only, and says of none that it is another’s', async () => {
    const { id: tenantId, key, operationId } = await world();
    const token = (await api.newToken(tenantId, { subject: 'u_2' })).key;
    const made = await api.call('POST', '/v1/operations', { key: token, body: START });
    assert.deepEqual([made.status, made.body.ownerSubject], [202, 'u_2']);
    const list = (await api.call('GET', '/v1/operations', { key: token })).body.data;
    assert.deepEqual(
      list.map((entry: { id: string }) => entry.id),
      [made.body.id],
    );
    assertProblem(await api.call('GET', `/v1/operations/${operationId}`, { key: token }), 404, 'not_found');
    assertProblem(
      await api.call('POST', '/v1/operations', { key: token, body: { ...START, ownerSubject: 'u_1' } }),
      400,
      'invalid_request',
    );
    const plain = await api.call('POST', '/v1/emails', { key, body: START.input });
    assert.equal(plain.body.ownerSubject, undefined);
    assertProblem(await api.call('GET', `/v1/operations/${plain.body.id}`, { key: token }), 404, 'not_found');
    const actor = await api.sql(tenantId, 'select created_by from operation where id = $1', [made.body.id]);
    assert.deepEqual(actor, [{ created_by: 'subject:u_2' }]);
  });

  it('is not answered with what another subject has sent under the same idempotency key', async () => {
    const { id: tenantId } = await world();
    const ask = async (subject: string) => {
      const { key } = await api.newToken(tenantId, { subject });
      return api.call('POST', '/v1/operations', { key, headers: { 'Idempotency-Key': 'k-1' }, body: START });
    };
    const [first, again, others] = [await ask('u_1'), await ask('u_1'), await ask('u_2')];
    assert.equal(first.body.id, again.body.id);
    assert.notEqual(first.body.id, others.body.id);
    assert.equal(others.body.ownerSubject, 'u_2');
  });

  it('with resources reaches these, by their root id too, and in lists', async () => {
    const { id: tenantId, key, operationId } = await world();
    await api.call('POST', '/v1/operations', { key, body: { ...START, ownerSubject: 'u_1' } });
    await api.call('POST', `/v1/operations/${operationId}/cancel`, { key });
    const again = await api.call('POST', `/v1/operations/${operationId}/retry`, { key });
    for (const resource of [`operation/${operationId}`, `email/${operationId}`]) {
      const token = (await api.newToken(tenantId, { resources: [resource] })).key;
      assert.equal((await api.call('GET', `/v1/operations/${again.body.id}`, { key: token })).status, 200);
      assert.equal((await api.call('GET', `/v1/emails/${operationId}`, { key: token })).status, 200);
      const list = (await api.call('GET', '/v1/operations', { key: token })).body.data;
      assert.deepEqual(
        list.map((entry: { id: string }) => entry.id),
        [again.body.id, operationId],
      );
    }
  });

  it('ends with the key that made it', async () => {
    const { id: tenantId, key, operationId } = await world();
    const maker = await api.newKey(tenantId, ['*']);
    const { secret } = (await api.call('POST', '/v1/tokens', { key: maker.key, body: { subject: 'u_1', scopes: ['email:read'] } })).body;
    const look = () => api.call('GET', `/v1/emails/${operationId}`, { key: secret });
    assert.equal((await look()).status, 200);
    await api.call('DELETE', `/v1/api-keys/${maker.id}`, { key });
    await eventually(async () => (await look()).status === 401, { timeoutMs: 1000 });
  });
});

describe('a token in the query', () => {
  it('opens a stream, and nothing else; a key there opens nothing', async () => {
    const { id: tenantId, key, operationId, stream } = await world();
    const token = (await api.newToken(tenantId)).key;
    await api.call('POST', `/v1/operations/${operationId}/cancel`, { key });
    const answer = await api.call('GET', `${stream}?access_token=${token}&lastEventId=1`);
    assert.equal(answer.status, 200);
    assert.match(answer.text, /event: done/);
    for (const query of [`access_token=${key}`, `access_token=${token}x`, `access_token=${token}&access_token=${token}`, 'access_token='])
      assertProblem(await api.call('GET', `${stream}?${query}`), 401, 'unauthenticated');
    for (const path of [`/v1/operations/${operationId}`, '/v1/operations', `/v1/emails/${operationId}`]) {
      assertProblem(await api.call('GET', `${path}?access_token=${token}`), 401, 'unauthenticated');
      const refused = await api.call('GET', `${path}?access_token=${token}`, { key });
      assertProblem(refused, 400, 'invalid_request');
      assert.ok(!refused.text.includes(token.slice(3)));
    }
    assertProblem(await api.call('GET', `${stream}?access_token=${token}&x=1`), 400, 'invalid_request');
    assertProblem(await api.call('GET', `${stream}?access_token=${token}%ff`), 401, 'unauthenticated');
    assertProblem(await api.call('GET', `/nowhere?access_token=${token}`), 404, 'route_not_found');
    await eventually(() => api.logged.filter((line) => line['msg'] === 'request').length > 10);
    assert.ok(!JSON.stringify(api.logged).includes(token.slice(12)) && !JSON.stringify(api.logged).includes('access_token'));
  });

  it('ends its streams within a second of its revocation', async () => {
    const { id: tenantId, key, stream } = await world();
    const token = await api.newToken(tenantId);
    let revokedAt = 0;
    const text = await readToEnd(`${stream}?access_token=${token.key}`, async () => {
      revokedAt = performance.now();
      assert.equal((await api.call('DELETE', `/v1/tokens/${token.id}`, { key })).status, 200);
    });
    assert.ok(performance.now() - revokedAt < 1000, `${performance.now() - revokedAt} ms`);
    assert.match(text, /event: end\ndata: \{"reason":"revoked"\}\n\n$/);
  });

  it('ends its streams with an event when it expires', async () => {
    const { id: tenantId, stream } = await world();
    const expiresAt = new Date(Date.now() + 600);
    const token = await api.newToken(tenantId, { expiresAt });
    const text = await readToEnd(`${stream}?access_token=${token.key}`, () => Promise.resolve());
    assert.ok(Date.now() - expiresAt.getTime() < 1000);
    assert.match(text, /event: expired\ndata: \{"reason":"expired"\}\n\n$/);
  });
});
