import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type Api, START, startApi } from './fixture.ts';

let api: Api;

before(async () => void (api = await startApi()));
after(() => api[Symbol.asyncDispose]());

interface Raw {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

interface RawOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly port?: number;
}

/** A request with a `Host` and an `Origin` of the test's choice, which fetch would not send. */
function raw(path: string, { method = 'GET', headers = {}, body, port = api.port }: RawOptions = {}): Promise<Raw> {
  const { promise, resolve, reject } = Promise.withResolvers<Raw>();
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const asked = request({ host: '127.0.0.1', port, path, method, headers: { ...type, ...headers } }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => void (text += chunk.toString()));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
  });
  asked.on('error', reject);
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

async function newLink(key: string): Promise<string> {
  const made = await api.call('POST', '/v1/sessions', { key });
  assert.equal(made.status, 201, made.text);
  return made.body.link;
}

/** Opens a link as a browser would; gives the cookie back, and what came with it. */
async function open(link: string, headers: Readonly<Record<string, string>> = {}) {
  const { pathname } = new URL(link);
  const answer = await raw(pathname, { headers });
  const setCookie = answer.headers['set-cookie']?.[0] ?? '';
  return { ...answer, setCookie, cookie: setCookie.split(';')[0] ?? '' };
}

async function session() {
  const tenant = await api.newTenant();
  return { ...tenant, cookie: (await open(await newLink(tenant.key))).cookie };
}

describe('a link', () => {
  it('works once: sets a cookie that scripts and other sites can not use, and goes on to our pages', async () => {
    const { key } = await api.newTenant();
    const link = await newLink(key);
    assert.match(link, new RegExp(`^http://127\\.0\\.0\\.1:${api.port}/session/nl_[a-z0-9]{8}_`));
    const opened = await Promise.all([open(link), open(link), open(link)]);
    assert.deepEqual(opened.map(({ status }) => status).toSorted(), [303, 404, 404]);
    const winner = opened.find(({ status }) => status === 303);
    assert.equal(winner?.headers['location'], '/docs');
    assert.match(winner?.setCookie ?? '', /^nightshift_session=nc_[\w-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    assert.equal((await open(link)).status, 404);
    const code = link.slice(link.lastIndexOf('/') + 1);
    assert.ok(!JSON.stringify(api.logged).includes(code.slice(12)));
  });

  it('is not used up by who only looks', async () => {
    const { key } = await api.newTenant();
    const link = await newLink(key);
    assert.equal((await raw(new URL(link).pathname, { method: 'HEAD' })).status, 204);
    assert.equal((await open(link, { 'Sec-Purpose': 'prefetch' })).status, 204);
    assert.equal((await open(link)).status, 303);
  });

  it('is refused under a name that is not ours, and stays good', async () => {
    const { key } = await api.newTenant();
    const link = await newLink(key);
    for (const host of ['evil.example', `evil.example:${api.port}`, 'localhost.evil.example', '127.0.0.1.evil.example', 'a@127.0.0.1'])
      assert.equal((await open(link, { Host: host })).status, 404, host);
    assert.equal((await open(link, { Host: `localhost:${api.port}` })).status, 303);
    assert.equal(
      (await raw('/v1/sessions', { method: 'POST', headers: { Authorization: `Bearer ${key}`, Host: 'evil.example' } })).status,
      403,
    );
  });

  it('is refused when it is made up, old, or some other secret', async () => {
    const { id, key } = await api.newTenant();
    const link = await newLink(key);
    await api.sql(id, `update api_key set expires_at = now() - interval '1 second' where kind = 'session_link'`);
    const token = (await api.newToken(id)).key;
    const unknown = api.store.system.apiKeys.newSecret('session_link').secret;
    for (const code of [link.slice(link.lastIndexOf('/') + 1), key, token, unknown, 'x']) {
      const answer = await open(`${api.url}/session/${code}`);
      assert.deepEqual([answer.status, answer.setCookie], [404, ''], code);
      assert.ok(!answer.text.includes(code) || code === 'x');
    }
  });

  it('is not given to a session', async () => {
    const { cookie } = await session();
    const origin = api.url;
    const answer = await raw('/v1/sessions', { method: 'POST', headers: { Cookie: cookie, Origin: origin } });
    assert.deepEqual([answer.status, JSON.parse(answer.text).code], [403, 'key_required']);
  });
});

describe('a session', () => {
  it('has the rights of its key, from our own pages', async () => {
    const { id, cookie } = await session();
    assert.equal((await raw('/v1/operations', { headers: { Cookie: cookie, 'Sec-Fetch-Site': 'same-origin' } })).status, 200);
    const headers = { Cookie: cookie, Origin: api.url, 'Sec-Fetch-Site': 'same-origin' };
    const made = await raw('/v1/operations', { method: 'POST', headers, body: START });
    assert.equal(made.status, 202, made.text);
    const rows = await api.sql(id, 'select created_by from operation');
    assert.match(String(rows[0]?.['created_by']), /^session:/);
    assert.equal((await raw('/v1/tenants', { headers: { Cookie: cookie } })).status, 403);
  });

  for (const [what, headers] of [
    ['another Host', { Host: 'evil.example' }],
    ['another Host with our port', { Host: 'evil.example:7460' }],
    ['a Host that only begins like ours', { Host: '127.0.0.1.evil.example' }],
    ['the Origin of another site', { Origin: 'http://evil.example' }],
    ['the Origin of another port', { Origin: 'http://127.0.0.1:1' }],
    ['no Origin to speak of', { Origin: 'null' }],
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['another port of this machine', { 'Sec-Fetch-Site': 'same-site' }],
  ] as const) {
    it(`counts as no key when the request comes with ${what}`, async () => {
      const { cookie } = await session();
      for (const method of ['GET', 'POST']) {
        const body = method === 'POST' ? START : undefined;
        const answer = await raw('/v1/operations', { method, headers: { Origin: api.url, ...headers, Cookie: cookie }, body });
        assert.deepEqual([answer.status, JSON.parse(answer.text).code], [401, 'unauthenticated']);
      }
    });
  }

  it('changes nothing without an Origin', async () => {
    const { cookie } = await session();
    assert.equal((await raw('/v1/operations', { method: 'POST', headers: { Cookie: cookie }, body: START })).status, 401);
  });

  it('works under the public name, there by a cookie that only https carries', async () => {
    await using secure = await startApi({ http: { ...api.context.http, publicUrl: 'https://nightshift.example' } });
    const { key } = await secure.newTenant();
    const { link } = (await secure.call('POST', '/v1/sessions', { key })).body;
    const host = { Host: 'nightshift.example' };
    const opened = await raw(new URL(link).pathname, { port: secure.port, headers: host });
    const setCookie = opened.headers['set-cookie']?.[0] ?? '';
    assert.match(setCookie, /^__Host-nightshift_session=nc_.+; Path=\/; .*SameSite=Strict; Secure$/);
    const cookie = setCookie.split(';')[0] ?? '';
    const ask = (headers: Readonly<Record<string, string>>) => raw('/v1/operations', { port: secure.port, headers });
    assert.equal((await ask({ ...host, Cookie: cookie })).status, 200);
    assert.equal((await ask({ ...host, Cookie: cookie.replace('__Host-', '') })).status, 401);
    assert.equal((await ask({ Cookie: cookie })).status, 401);
  });

  it('is no bearer, and no other secret is a cookie', async () => {
    const { id, key, cookie } = await session();
    const secret = cookie.slice(cookie.indexOf('=') + 1);
    assert.equal((await api.call('GET', '/v1/operations', { key: secret })).status, 401);
    for (const other of [key, (await api.newToken(id)).key, '', 'x'])
      assert.equal((await raw('/v1/operations', { headers: { Cookie: `nightshift_session=${other}` } })).status, 401);
  });

  it('ends with its key', async () => {
    const tenant = await api.newTenant();
    const maker = await api.newKey(tenant.id, ['*']);
    const { cookie } = await open(await newLink(maker.key));
    const look = () => raw('/v1/operations', { headers: { Cookie: `a=b; ${cookie}` } });
    assert.equal((await look()).status, 200);
    await api.call('DELETE', `/v1/api-keys/${maker.id}`, { key: tenant.key });
    await eventually(async () => (await look()).status === 401, { timeoutMs: 1000 });
  });

  it('is signed out by our own pages, for good, and its cookie is taken away', async () => {
    const { id, cookie } = await session();
    const signOut = (headers: Readonly<Record<string, string>>) =>
      raw('/session', { method: 'DELETE', headers: { Cookie: cookie, ...headers } });
    const look = async () => (await raw('/v1/operations', { headers: { Cookie: cookie } })).status;
    for (const headers of [
      {},
      { Origin: 'http://evil.example' },
      { Origin: api.url, 'Sec-Fetch-Site': 'cross-site' },
      { Host: 'evil.example' },
    ]) {
      const answer = await signOut(headers);
      assert.deepEqual([answer.status, answer.headers['set-cookie'], await look()], [204, undefined, 200]);
    }
    const out = await signOut({ Origin: api.url });
    assert.equal(out.status, 204);
    assert.match(out.headers['set-cookie']?.[0] ?? '', /^nightshift_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/);
    assert.equal(await look(), 401);
    assert.equal((await signOut({ Origin: api.url })).status, 204);
    const audited = await api.sql(id, `select actor from audit_entry where action = 'session.revoked'`);
    assert.equal(audited.length, 1);
    assert.match(String(audited[0]?.['actor']), /^session:/);
  });

  it('is listed for whoever may, and ended by them', async () => {
    const { key, cookie } = await session();
    const { data } = (await api.call('GET', '/v1/sessions', { key })).body;
    assert.equal(data.length, 1);
    assert.deepEqual([data[0].object, data[0].scopes, data[0].revokedAt], ['session', ['*'], undefined]);
    assert.ok(!JSON.stringify(data).includes(cookie.slice(cookie.indexOf('=') + 13)));
    const keys = (await api.call('GET', '/v1/api-keys', { key })).body.data;
    assert.ok(keys.some((one: { id: string }) => one.id === data[0].keyId));
    const ended = await api.call('DELETE', `/v1/sessions/${data[0].id}`, { key });
    assert.ok(ended.status === 200 && ended.body.revokedAt !== undefined);
    assert.equal((await raw('/v1/operations', { headers: { Cookie: cookie } })).status, 401);
    assert.equal((await api.call('DELETE', `/v1/tokens/${data[0].id}`, { key })).status, 404);
  });

  it('leaves pages and other headers alone when it is stale', async () => {
    const { key } = await api.newTenant();
    const headers = { Cookie: 'nightshift_session=nc_stale' };
    assert.equal((await raw('/docs', { headers })).status, 200);
    assert.equal((await raw('/v1/operations', { headers: { ...headers, Authorization: `Bearer ${key}` } })).status, 200);
  });
});
