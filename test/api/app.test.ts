import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FEATURES } from '../../src/contracts/features.ts';
import { useDatabase } from '../support/ground.ts';
import { type Api, MAIL, START, assertProblem, startApi } from './fixture.ts';

const REDOCLY = new URL('../../node_modules/@redocly/cli/bin/cli.js', import.meta.url).pathname;
const REDOCLY_CONFIG = new URL('../../redocly.yaml', import.meta.url).pathname;

/** The limit's minutes stand still. */
const NOON = new Date('2030-01-01T12:00:00Z');

let api: Api;

before(async () => void (api = await startApi()));
after(() => api[Symbol.asyncDispose]());

interface Content {
  readonly content?: Readonly<Record<string, { readonly example?: unknown; readonly examples?: unknown }>>;
}

interface DescribedParameter {
  readonly name: string;
  readonly example?: unknown;
  readonly schema?: { readonly example?: unknown; readonly examples?: unknown };
}

interface DescribedRoute {
  readonly parameters?: readonly DescribedParameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

describe('the OpenAPI document', () => {
  it('has no lint errors and no warnings', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-openapi-'));
    try {
      const file = join(folder, 'openapi.json');
      await writeFile(file, (await api.call('GET', '/openapi.json')).text);
      const environment = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [REDOCLY, 'lint', file, '--config', REDOCLY_CONFIG, '--format', 'json'],
        { encoding: 'utf8', env: environment },
      );
      assert.equal(status, 0, stderr + stdout);
      const { totals } = JSON.parse(stdout) as { totals: { errors: number; warnings: number } }; // Redocly's report
      assert.deepEqual([totals.errors, totals.warnings], [0, 0], stdout);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has an example for every request and every answer', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    for (const [path, methods] of Object.entries<Record<string, DescribedRoute>>(body.paths)) {
      for (const [method, { requestBody, responses }] of Object.entries(methods)) {
        const medias = [...(requestBody === undefined ? [] : [requestBody]), ...Object.values(responses)].flatMap((part) =>
          Object.values(part.content ?? {}),
        );
        for (const media of medias) assert.ok(media.example !== undefined || media.examples !== undefined, `${method} ${path}`);
      }
    }
  });

  it('has an example for every parameter', async () => {
    const { body } = await api.call('GET', '/openapi.json');
    const without = Object.entries<Record<string, DescribedRoute>>(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
        parameters
          .filter(({ example, schema }) => example === undefined && schema?.example === undefined && schema?.examples === undefined)
          .map(({ name }) => `${method} ${path} ${name}`),
      ),
    );
    assert.deepEqual(without, []);
  });

  it('has cursors as examples that leave nothing out', async () => {
    const { key } = await api.newTenant();
    const { body } = await api.call('GET', '/openapi.json');
    for (const [path, { get }] of Object.entries<Record<string, DescribedRoute>>(body.paths)) {
      const cursor = get?.parameters?.find(({ name }) => name === 'cursor');
      if (cursor === undefined || path.includes('{')) continue;
      const caller = path === '/v1/tenants' ? api.platformKey : key;
      const [all, from] = await Promise.all(
        ['', `?cursor=${String(cursor.schema?.example)}`].map((query) => api.call('GET', `${path}${query}`, { key: caller })),
      );
      assert.equal(from?.status, 200, `${path} ${from?.text}`);
      assert.deepEqual(from.body.data, all?.body.data, path);
    }
  });

  // Those that start work are taken in samples.test.ts.
  it('has request examples that are accepted', async () => {
    const { key } = await api.newTenant();
    const { body } = await api.call('GET', '/openapi.json');
    const user = body.paths['/v1/users/{id}'].put.requestBody.content['application/json'].example;
    assert.equal((await api.call('PUT', '/v1/users/u_42', { key, body: user })).status, 201);
    const newKey = body.paths['/v1/api-keys'].post.requestBody.content['application/json'].example;
    assert.equal((await api.call('POST', '/v1/api-keys', { key, body: newKey })).status, 201);
    const newToken = body.paths['/v1/tokens'].post.requestBody.content['application/json'].example;
    assert.equal((await api.call('POST', '/v1/tokens', { key, body: newToken })).status, 201);
    const tenant = body.paths['/v1/tenants/{id}'].put.requestBody.content['application/json'].example;
    assert.equal((await api.call('PUT', '/v1/tenants/acme', { key: api.platformKey, body: tenant })).status, 201);
  });
});

describe('the reference page', () => {
  it('comes whole from our own origin, under a strict policy', async () => {
    const page = await api.call('GET', '/docs');
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.doesNotMatch(policy, /unsafe|https?:/);
    const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    assert.ok(links.length >= 3);
    for (const link of links) {
      assert.match(link, /^\/docs\//);
      assert.equal((await api.call('GET', link)).status, 200);
    }
  });
});

describe('every answer', () => {
  it('has the headers that protect browsers, and no hint of what serves it', async () => {
    const answer = await api.call('GET', '/livez');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(answer.headers.get('x-powered-by'), null);
    assert.equal(answer.headers.get('access-control-allow-origin'), null);
    assert.equal(answer.headers.get('strict-transport-security'), null);
  });

  it('has a request id: the caller’s when it is sane, else ours', async () => {
    assert.equal((await api.call('GET', '/livez', { headers: { 'X-Request-Id': 'abc-1' } })).headers.get('x-request-id'), 'abc-1');
    const made = (await api.call('GET', '/livez', { headers: { 'X-Request-Id': 'a b\tc' } })).headers.get('x-request-id');
    assert.match(made ?? '', /^[0-9a-f-]{36}$/);
  });

  it('is logged without anything personal, and measured by route', async () => {
    const { id, key } = await api.newTenant();
    const secret = 'grace@example.com';
    await api.call('POST', '/v1/operations', { key, body: { kind: 'email', input: { ...MAIL, to: secret } } });
    await api.call('GET', `/v1/operations?text=${secret}`, { key });
    await api.call('GET', `/v1/users/${'u'.repeat(9)}`, { key });
    const lines = JSON.stringify(api.logged);
    assert.ok(!lines.includes(secret) && !lines.includes(key) && !lines.includes('uuuuuuuuu'));
    const line = api.logged.find((entry) => entry['tenantId'] === id && entry['route'] === '/v1/users/{id}');
    assert.deepEqual(
      [line?.['method'], line?.['status'], typeof line?.['durationMs'], typeof line?.['keyId']],
      ['GET', 404, 'number', 'string'],
    );
    const metrics = await api.context.registry.metrics();
    assert.match(metrics, /nightshift_http_requests_total\{route="\/v1\/users\/\{id\}",method="GET",status="4xx"\} \d/);
    assert.ok(!metrics.includes(secret));
  });
});

describe('who may call from a browser', () => {
  it('is nobody, unless their origin is set', async () => {
    const headers = {
      Origin: 'https://app.example.com',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,idempotency-key',
    };
    assert.equal((await api.call('OPTIONS', '/v1/operations', { headers })).headers.get('access-control-allow-origin'), null);
    await using open = await startApi({ http: { ...api.context.http, corsOrigins: ['https://app.example.com'] } });
    const preflight = await open.call('OPTIONS', '/v1/operations', { headers });
    assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, 'https://app.example.com']);
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Idempotency-Key/);
    const problem = await open.call('GET', '/v1/operations', { headers: { Origin: 'https://app.example.com' } });
    assertProblem(problem, 401, 'unauthenticated');
    assert.equal(problem.headers.get('access-control-allow-origin'), 'https://app.example.com');
    const other = await open.call('OPTIONS', '/v1/operations', { headers: { ...headers, Origin: 'https://evil.example.com' } });
    assert.equal(other.headers.get('access-control-allow-origin'), null);
  });
});

describe('the rate limit', () => {
  it('counts each key, and addresses without a valid one, and says how much is left', async () => {
    await using limited = await startApi({ http: { ...api.context.http, rateLimitPerMinute: 20 }, clock: () => NOON });
    const [one, two] = [await limited.newTenant(), await limited.newTenant()];
    const first = await limited.call('GET', '/v1/users', { key: one.key });
    assert.match(first.headers.get('ratelimit-policy') ?? '', /"requests"; q=20; w=60/);
    assert.match(first.headers.get('ratelimit') ?? '', /r=19/);
    for (let i = 0; i < 19; i++) assert.equal((await limited.call('GET', '/v1/users', { key: one.key })).status, 200);
    const refused = await limited.call('GET', '/v1/users', { key: one.key });
    assertProblem(refused, 429, 'rate_limited');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal((await limited.call('GET', '/v1/users', { key: two.key })).status, 200);
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await limited.call('GET', '/v1/users', { key: 'ns_wrong' })).status);
    assert.deepEqual(statuses, [401, 401, 429, 429]);
  });

  it('counts over all API processes of one database, and anew in the next minute', async () => {
    let now = NOON;
    const database = await useDatabase();
    const settings = { http: { ...api.context.http, rateLimitPerMinute: 20 }, clock: () => now };
    await using here = await startApi(settings, database);
    await using there = await startApi(settings, database);
    const { key } = await here.newTenant();
    const left = async (process: Api) =>
      /r=(\d+)/.exec((await process.call('GET', '/v1/users', { key })).headers.get('ratelimit') ?? '')?.[1];
    const share = async () => {
      for (const process of [here, there]) await process.context.store.system.rates.share(now);
    };
    for (let i = 0; i < 12; i++) await left(here);
    assert.equal(await left(there), '19');
    await share();
    assert.equal(await left(there), '6');
    for (let i = 0; i < 6; i++) await left(there);
    assertProblem(await there.call('GET', '/v1/users', { key }), 429, 'rate_limited');
    assert.equal(await left(here), '7');
    await share();
    assert.equal(await left(here), '5');
    await share();
    assertProblem(await here.call('GET', '/v1/users', { key }), 429, 'rate_limited');
    now = new Date(NOON.getTime() + 60_000);
    assert.equal(await left(here), '19');
    await share();
    assert.equal(await left(here), '18');
    // Rows of minutes that are over go: what was counted in this one, nobody else knows any more.
    await here.context.store.system.rates.deleteEnded(new Date(now.getTime() + 120_000));
    await share();
    assert.equal(await left(here), '18');
  });
});

describe('the server', () => {
  it('leads from its root to what can be read, for people and for programs', async () => {
    const forPrograms = await api.call('GET', '/');
    assert.equal(forPrograms.body.links.openapi, '/openapi.json');
    const forPeople = await api.call('GET', '/', { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
    assert.match(forPeople.headers.get('content-type') ?? '', /^text\/html/);
    for (const path of Object.values<string>(forPrograms.body.links)) {
      assert.ok(forPeople.text.includes(`href="${path}"`), path);
      assert.equal((await api.call('GET', path)).status, 200, path);
    }
    assertProblem(await api.call('POST', '/'), 405, 'method_not_allowed');
  });

  it('says whether it lives, is ready, and what it is', async () => {
    assert.deepEqual((await api.call('GET', '/livez')).body, { status: 'live' });
    assert.deepEqual((await api.call('GET', '/readyz')).body, { status: 'ready', checks: { database: { ok: true } } });
    assert.deepEqual((await api.call('GET', '/version')).body, { name: 'nightshift', version: '0.0.0-test', features: [...FEATURES] });
    await using unready = await startApi({
      health: () => Promise.resolve({ ready: false, checks: { core: { ok: false, detail: 'warming' } } }),
    });
    const answer = await unready.call('GET', '/readyz');
    assert.deepEqual([answer.status, answer.body], [503, { status: 'not_ready', checks: { core: { ok: false, detail: 'warming' } } }]);
  });

  it('answers a kind and routes of a feature that is off with feature_off', async () => {
    await using off = await startApi({ features: [] });
    const { key } = await off.newTenant();
    assertProblem(await off.call('POST', '/v1/operations', { key, body: START }), 404, 'feature_off');
    for (const [method, path, body] of [
      ['POST', '/v1/emails', MAIL],
      ['GET', '/v1/emails/x', undefined],
      ['POST', '/v1/files', {}],
      ['POST', '/v1/carts', {}],
    ] as const)
      assertProblem(await off.call(method, path, { key, body }), 404, 'feature_off');
  });
});
