import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ensureFirstKey } from '../../src/api/lib/first-key.ts';
import { useDatabase } from '../support/ground.ts';
import { eventually } from '../support/eventually.ts';
import { type Api, START, assertProblem, startApi } from './fixture.ts';

const database = await useDatabase();
let api: Api;

before(async () => void (api = await startApi({}, database)));
after(() => api[Symbol.asyncDispose]());

describe('keys', () => {
  it('act for the tenant that a platform key names', async () => {
    const tenant = await api.newTenant();
    const headers = { 'Nightshift-Tenant': tenant.id };
    const made = await api.call('POST', '/v1/operations', { key: api.platformKey, headers, body: START });
    assert.equal(made.status, 202);
    assert.equal((await api.call('GET', `/v1/operations/${made.body.id}`, { key: tenant.key })).status, 200);
  });

  it('show their secret once, and work', async () => {
    const tenant = await api.newTenant();
    const made = await api.call('POST', '/v1/api-keys', {
      key: tenant.key,
      body: { name: 'shop', scopes: ['email:*', 'operations:read'] },
    });
    assert.equal(made.status, 201);
    assert.match(made.body.secret, /^ns_[a-z0-9]{8}_[\w-]{43}[0-9a-f]{6}$/);
    const list = await api.call('GET', '/v1/api-keys', { key: tenant.key });
    assert.equal(list.body.data[0].id, made.body.id);
    assert.ok(!list.text.includes(made.body.secret) && !list.text.includes('secret'));
    assert.equal((await api.call('POST', '/v1/operations', { key: made.body.secret, body: START })).status, 202);
    assertProblem(await api.call('GET', '/v1/api-keys', { key: made.body.secret }), 403, 'insufficient_scope');
    const stored = await api.sql(tenant.id, 'select * from api_key where id = $1', [made.body.id]);
    assert.equal(stored.length, 1);
    assert.ok(!JSON.stringify(stored).includes(made.body.secret.slice(12)));
    assert.ok(!JSON.stringify(api.logged).includes(made.body.secret));
  });

  it('say when they were used last, to the minute', async () => {
    const { key } = await api.newTenant();
    const { apiKeys } = api.context.store.system;
    const lastUse = async () => (await api.call('GET', '/v1/api-keys', { key })).body.data[0].lastUsedAt;
    assert.equal(await lastUse(), undefined);
    await apiKeys.writeUses();
    const first = await lastUse();
    assert.ok(Math.abs(Date.parse(first) - Date.now()) < 60_000, first);
    await apiKeys.writeUses();
    assert.equal(await lastUse(), first);
    await apiKeys.verify(key, new Date(Date.parse(first) + 60_000));
    await apiKeys.writeUses();
    assert.equal(Date.parse(await lastUse()), Date.parse(first) + 60_000);
  });

  it('are made once under one idempotency key, and the second answer has no secret', async () => {
    const tenant = await api.newTenant();
    const ask = (name: string) =>
      api.call('POST', '/v1/api-keys', { key: tenant.key, headers: { 'Idempotency-Key': '"k-1"' }, body: { name, scopes: ['*'] } });
    const answers = await Promise.all([ask('a'), ask('a'), ask('a')]);
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [201, 201, 201],
    );
    assert.equal(new Set(answers.map((answer) => answer.body.id)).size, 1);
    assert.equal(answers.filter((answer) => answer.body.secret !== undefined).length, 1);
    assert.equal(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true').length, 2);
    assertProblem(await ask('b'), 422, 'idempotency_key_reused');
  });

  it('can not give what they do not have', async () => {
    const tenant = await api.newTenant();
    const { key } = await api.newKey(tenant.id, ['admin', 'email:read']);
    const ask = (...scopes: string[]) => api.call('POST', '/v1/api-keys', { key, body: { name: 'x', scopes } });
    assert.equal((await ask('email:read', 'admin')).status, 201);
    for (const scope of ['*', 'email:*', 'email:write', 'users:read'])
      assertProblem(await ask('email:read', scope), 403, 'insufficient_scope');
    const unknown = await ask('nothing:read');
    assertProblem(unknown, 400, 'invalid_request');
    assert.match(unknown.body.errors[0].message, /email:write/);
    assertProblem(await ask('EMAIL'), 400, 'invalid_request');
  });

  it('must not expire in the past', async () => {
    const tenant = await api.newTenant();
    const ask = (expiresAt: string) => api.call('POST', '/v1/api-keys', { key: tenant.key, body: { name: 'x', scopes: ['*'], expiresAt } });
    assertProblem(await ask('2020-01-01T00:00:00Z'), 400, 'invalid_request');
    assertProblem(await ask('0000-01-01T00:00:00Z'), 400, 'invalid_request');
    assert.equal((await ask('9999-12-31T23:59:59Z')).status, 201);
  });

  it('are refused within a second of their revocation, by every process', async () => {
    await using second = await startApi({}, database);
    const tenant = await api.newTenant();
    const { id, key } = await api.newKey(tenant.id, ['*']);
    assert.equal((await second.call('GET', '/v1/users', { key })).status, 200);
    assert.equal((await api.call('DELETE', `/v1/api-keys/${id}`, { key: tenant.key })).status, 200);
    assertProblem(await api.call('GET', '/v1/users', { key }), 401, 'unauthenticated');
    await eventually(async () => (await second.call('GET', '/v1/users', { key })).status === 401, { timeoutMs: 1000 });
    assert.equal((await api.call('DELETE', `/v1/api-keys/${id}`, { key: tenant.key })).status, 200);
  });

  it('list page by page', async () => {
    const tenant = await api.newTenant();
    for (let i = 0; i < 4; i++) await api.newKey(tenant.id, ['*']);
    const ids: string[] = [];
    let cursor = '';
    do {
      const page = await api.call('GET', `/v1/api-keys?limit=2${cursor}`, { key: tenant.key });
      ids.push(...page.body.data.map((entry: { id: string }) => entry.id));
      cursor = page.body.nextCursor === null ? '' : `&cursor=${page.body.nextCursor}`;
    } while (cursor !== '');
    assert.equal(new Set(ids).size, 5);
    assert.equal(ids.length, 5);
  });
});

describe('tenants', () => {
  it('are made, renamed, listed, closed and opened again', async () => {
    const key = api.platformKey;
    assert.equal((await api.call('PUT', '/v1/tenants/acme', { key, body: { name: 'Acme' } })).status, 201);
    assert.equal((await api.call('PUT', '/v1/tenants/acme', { key, body: { name: 'Acme Ltd' } })).status, 200);
    assert.equal((await api.call('GET', '/v1/tenants/acme', { key })).body.name, 'Acme Ltd');
    assert.ok((await api.call('GET', '/v1/tenants?limit=200', { key })).body.data.some((tenant: { id: string }) => tenant.id === 'acme'));
    const own = await api.newKey('acme', ['*']);
    assert.equal((await api.call('GET', '/v1/users', { key: own.key })).status, 200);
    assert.equal((await api.call('DELETE', '/v1/tenants/acme', { key })).status, 204);
    assertProblem(await api.call('GET', '/v1/tenants/acme', { key }), 404, 'not_found');
    assertProblem(await api.call('DELETE', '/v1/tenants/acme', { key }), 404, 'not_found');
    await eventually(async () => (await api.call('GET', '/v1/users', { key: own.key })).status === 401, { timeoutMs: 1000 });
    assert.equal((await api.call('PUT', '/v1/tenants/acme', { key, body: { name: 'Acme' } })).status, 201);
    await eventually(async () => (await api.call('GET', '/v1/users', { key: own.key })).status === 200, { timeoutMs: 1000 });
    const audited = await api.sql('acme', `select action from audit_entry where target = 'tenant/acme' order by at, id`);
    assert.deepEqual(
      audited.map((row) => row['action']),
      ['tenant.created', 'tenant.changed', 'tenant.closed', 'tenant.created'],
    );
  });

  it('have ids that may be part of other ids', async () => {
    for (const id of ['Acme', 'a%20b', '-a', 'a'.repeat(64), 'a%00']) {
      assertProblem(await api.call('PUT', `/v1/tenants/${id}`, { key: api.platformKey, body: { name: 'x' } }), 400, 'invalid_request');
    }
  });
});

describe('users', () => {
  it('are put whole, looked at, listed and removed', async () => {
    const { id, key } = await api.newTenant();
    const content = {
      email: 'ada@example.com',
      timeZone: 'Europe/Berlin',
      locale: 'de-AT',
      attributes: { plan: 'pro', seats: 3, trial: false, note: null },
    };
    const made = await api.call('PUT', '/v1/users/u_1', { key, body: content });
    assert.equal(made.status, 201);
    assert.deepEqual(
      { ...made.body, createdAt: '', updatedAt: '' },
      { id: 'u_1', object: 'user', createdAt: '', updatedAt: '', ...content },
    );
    const replaced = await api.call('PUT', '/v1/users/u_1', { key, body: {} });
    assert.equal(replaced.status, 200);
    assert.equal(replaced.body.email, undefined);
    await api.call('PUT', '/v1/users/u_2', { key, body: {} });
    const page = await api.call('GET', '/v1/users?limit=1', { key });
    assert.deepEqual([page.body.data[0].id, page.body.hasMore], ['u_1', true]);
    const rest = await api.call('GET', `/v1/users?cursor=${page.body.nextCursor}`, { key });
    assert.deepEqual([rest.body.data[0].id, rest.body.hasMore, rest.body.nextCursor], ['u_2', false, null]);
    assert.equal((await api.call('DELETE', '/v1/users/u_1', { key })).status, 204);
    assertProblem(await api.call('GET', '/v1/users/u_1', { key }), 404, 'not_found');
    assertProblem(await api.call('DELETE', '/v1/users/u_1', { key }), 404, 'not_found');
    const audited = await api.sql(id, `select * from audit_entry where target = 'user/u_1' order by at, id`);
    assert.deepEqual(
      audited.map((row) => row['action']),
      ['user.created', 'user.changed', 'user.removed'],
    );
    assert.ok(!JSON.stringify(audited).includes('ada@'));
  });

  for (const [what, body] of [
    ['time zone', { timeZone: 'Europe/Atlantis' }],
    ['time zone that is an offset', { timeZone: '+01:00' }],
    ['locale', { locale: 'not a locale' }],
    ['address', { email: 'nobody' }],
    ['attribute', { attributes: { a: {} } }],
    ['field', { colour: 'red' }],
  ] as const) {
    it(`refuse a wrong ${what}`, async () => {
      const { key } = await api.newTenant();
      assertProblem(await api.call('PUT', '/v1/users/u_1', { key, body }), 400, 'invalid_request');
    });
  }
});

describe('the first key', () => {
  it('is made once, kept, made whole after a crash, and readable by its owner only', async () => {
    await using fresh = await startApi();
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-key-'));
    const file = join(folder, 'api-key');
    const ensure = () => ensureFirstKey({ store: fresh.store, file, now: new Date() });
    try {
      const [one, two] = await Promise.all([ensure(), ensure()]);
      assert.equal(one.tenant.secret, two.tenant.secret);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.equal((await readFile(file, 'utf8')).trim(), one.tenant.secret);
      assert.equal((await fresh.call('POST', '/v1/operations', { key: one.tenant.secret, body: START })).status, 202);
      assert.equal((await fresh.call('GET', '/v1/tenants/default', { key: one.platform.secret })).status, 200);
      assert.deepEqual([(await ensure()).tenant.state, (await ensure()).platform.state], ['kept', 'kept']);

      // A crash between file and row.
      const orphan = fresh.store.system.apiKeys.newSecret().secret;
      await writeFile(file, `${orphan}\n`);
      assert.equal((await ensure()).tenant.secret, orphan);
      assert.equal((await fresh.call('GET', '/v1/users', { key: orphan })).status, 200);

      // A lost file, of data that others share and of data that is ours alone.
      await rm(file);
      assert.equal((await ensureFirstKey({ store: fresh.store, file, whenLost: 'leave', now: new Date() })).tenant.state, 'lost');
      assert.equal((await ensure()).tenant.state, 'made');

      // A revoked key does not rise again.
      const id = (await readFile(file, 'utf8')).split('_')[1] ?? '';
      await fresh.store.apiKeys.revoke({ tenantId: 'default', id, kind: 'key', actor: { actor: 'test' }, now: new Date() });
      assert.deepEqual([(await ensure()).tenant.state, (await ensure()).tenant.secret], ['refused', undefined]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
