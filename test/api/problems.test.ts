import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { KINDS } from '../../src/contracts/kinds.ts';
import { createDispatchBridge } from '../../src/contracts/bridge.ts';
import { PROBLEMS } from '../../src/contracts/problems.ts';
import { openDatabases } from '../../src/store/database.ts';
import { createStore } from '../../src/store/index.ts';
import { type Answer, type Api, MAIL, START, assertProblem, startApi } from './fixture.ts';

let api: Api;
let key: string;

before(async () => {
  api = await startApi();
  key = (await api.newTenant()).key;
});
after(() => api[Symbol.asyncDispose]());

function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return api.call('POST', '/v1/operations', { key, body, headers });
}

/** Writes bytes to a connection of its own and returns all that comes back. */
async function raw(...parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(api.port, '127.0.0.1');
  for (const part of parts) socket.write(part);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

describe('problems of bodies', () => {
  it('says where malformed JSON breaks', async () => {
    const answer = await post('{\n  "kind": "email",,\n}');
    assertProblem(answer, 400, 'malformed_json');
    assert.match(answer.body.detail, /line 2, column 19/);
    assertProblem(await post('{"a": '), 400, 'malformed_json');
    assertProblem(await post('undefined'), 400, 'malformed_json');
  });

  it('wants a body where one is needed', async () => {
    assertProblem(await api.call('POST', '/v1/operations', { key }), 400, 'invalid_request');
  });

  for (const [what, headers] of [
    ['another type', { 'Content-Type': 'text/plain' }],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'Content-Type': 'application/json; charset=latin1' }],
    ['compression', { 'Content-Encoding': 'gzip' }],
  ] as const) {
    it(`refuses ${what}`, async () => assertProblem(await post(START, headers), 415, 'unsupported_media_type'));
  }

  it('takes the charset utf-8', async () => {
    assert.equal((await post(START, { 'Content-Type': 'application/json; charset="UTF-8"' })).status, 202);
  });

  it('refuses too many bytes, whether they are announced or not', async () => {
    assertProblem(await post({ ...START, input: { ...MAIL, text: 'x'.repeat(200_000) } }), 413, 'payload_too_large');
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode(' '.repeat(10_000)));
        controller.close();
      },
    });
    const response = await fetch(`${api.url}/v1/operations`, {
      ...{ method: 'POST', body: stream, duplex: 'half' },
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    });
    assert.equal(response.status, 413);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
  });

  it('refuses bytes that are not UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from('{"kind":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const head = `POST /v1/operations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`;
    assert.match(await raw(head, bytes), /^HTTP\/1.1 400 [^]*"malformed_json"/);
  });

  for (const [what, body, pointer] of [
    ['U+0000 in a field', { ...START, input: { ...MAIL, subject: 'a\u0000b' } }, '/input/subject'],
    ['U+0000 in metadata', { ...START, metadata: { deep: 'a\u0000' } }, '/metadata/deep'],
    ['U+0000 in a tag', { ...START, tags: ['ok', '\u0000'] }, '/tags/1'],
    ['U+0000 in a name', `{"kind":"email","metadata":{"a\\u0000":1}}`, '/metadata'],
    ['a lone surrogate', `{"kind":"email","input":{"to":"a@b.co","subject":"\\ud800","text":"x"}}`, '/input/subject'],
    ['__proto__', `{"kind":"email","input":{},"__proto__":{"admin":true}}`, '/__proto__'],
    ['constructor', `{"kind":"email","metadata":{"constructor":1}}`, '/metadata/constructor'],
  ] as const) {
    it(`refuses ${what} and names the field`, async () => {
      const answer = await post(body);
      assertProblem(answer, 400, 'invalid_request');
      assert.equal(answer.body.errors[0].pointer, pointer);
    });
  }

  it('refuses bottomless nesting', async () => {
    assertProblem(await post('['.repeat(40_000) + ']'.repeat(40_000)), 400, 'malformed_json');
    assertProblem(await post('{"a":'.repeat(40) + '1' + '}'.repeat(40)), 400, 'malformed_json');
  });

  it('names each wrong field and what is allowed there', async () => {
    const answer = await post({
      kind: 'email',
      input: { to: 'nobody', subject: '', text: 5, colour: 'red' },
      priority: 9,
      startAt: 'tomorrow',
    });
    assertProblem(answer, 400, 'invalid_request');
    const byPointer = new Map<string, string>(
      answer.body.errors.map((error: { pointer: string; message: string }) => [error.pointer, error.message]),
    );
    assert.equal(byPointer.get('/input/to'), 'must be one e-mail address');
    assert.equal(byPointer.get('/input/subject'), 'must have at least 1 character');
    assert.equal(byPointer.get('/input/text'), 'must be a string');
    assert.equal(byPointer.get('/input/colour'), 'is not a field of this object');
    assert.equal(byPointer.get('/priority'), 'must be at most 5');
    assert.equal(byPointer.get('/startAt'), 'must be an instant in ISO 8601 such as 2026-11-24T22:00:00Z');
  });

  it('names the kinds when there is no such kind', async () => {
    const answer = await post({ kind: 'nothing', input: {} });
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(answer.body.errors, [{ pointer: '/kind', message: `must be one of ${Object.keys(KINDS).join(', ')}` }]);
  });

  it('stores nothing of what it refused', async () => {
    const tenant = await api.newTenant();
    await api.call('POST', '/v1/operations', { key: tenant.key, body: { ...START, metadata: { a: '\u0000' } } });
    const list = await api.call('GET', '/v1/operations', { key: tenant.key });
    assert.deepEqual(list.body, { data: [], hasMore: false, nextCursor: null });
  });
});

describe('problems of URLs and methods', () => {
  it('answers an unknown route', async () => {
    assertProblem(await api.call('GET', '/v1/nothing', { key }), 404, 'route_not_found');
    assertProblem(await api.call('GET', '/V1/operations', { key }), 404, 'route_not_found');
    assertProblem(await api.call('GET', '/docs/..%2f..%2fpackage.json'), 404, 'route_not_found');
    assertProblem(await api.call('GET', '/problems/nothing'), 404, 'route_not_found');
  });

  it('tells the methods that a route has', async () => {
    const answer = await api.call('DELETE', '/v1/operations', { key });
    assertProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.get('allow'), 'POST, GET, HEAD, OPTIONS');
    assertProblem(await api.call('PROPFIND', '/v1/events', { key }), 405, 'method_not_allowed');
    assert.equal((await api.call('OPTIONS', '/v1/operations')).status, 204);
  });

  it('tells the methods that a page has', async () => {
    for (const path of ['/', '/docs', '/problems/rate_limited']) {
      const answer = await api.call('POST', path, { body: {} });
      assertProblem(answer, 405, 'method_not_allowed');
      assert.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS');
      assert.equal((await api.call('OPTIONS', path)).status, 204);
    }
  });

  it('answers HEAD without a body', async () => {
    const answer = await api.call('HEAD', '/v1/operations', { key });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '');
    assert.equal((await api.call('HEAD', '/v1/operations')).status, 401);
  });

  for (const path of ['/v1/operations/%ff', '/v1/operations/%', '/v1/operations?text=%E0%A4%A', '/v1/operations?%=1']) {
    it(`refuses the encoding of ${path}`, async () => assertProblem(await api.call('GET', path, { key }), 400, 'malformed_url'));
  }

  for (const query of [
    'foo=1',
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=1&limit=2',
    'status=odd',
    'createdAfter=0000-01-01T00:00:00Z',
    'text=%00',
    'tag=',
  ]) {
    it(`refuses ?${query}`, async () => {
      const answer = await api.call('GET', `/v1/operations?${query}`, { key });
      assertProblem(answer, 400, 'invalid_request');
      assert.equal(answer.body.errors[0].pointer, `query/${query.split('=')[0]}`.replace('query/query/', 'query/'));
    });
  }

  for (const cursor of [
    'x',
    'bm90aGluZw',
    Buffer.from('["2026","x"]').toString('base64url'),
    Buffer.from('["-271821-04-20T00:00:00.000Z","019ab6a0-7c00-7000-8000-000000000001"]').toString('base64url'),
  ]) {
    it(`refuses the cursor ${cursor}`, async () =>
      assertProblem(await api.call('GET', `/v1/operations?cursor=${cursor}`, { key }), 400, 'invalid_cursor'));
  }

  for (const id of ['x', '019ab6a0-7c00-7000-8000-000000000001', 'a%00b', '1;drop']) {
    it(`finds no operation ${id}`, async () => assertProblem(await api.call('GET', `/v1/operations/${id}`, { key }), 404, 'not_found'));
  }
});

describe('problems of HTTP itself', () => {
  for (const [what, bytes, status, code] of [
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
    ['a wrong version', 'GET / HTTP/9.9\r\n\r\n', 400, 'malformed_request'],
    ['two lengths', 'POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400, 'malformed_request'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
    ['huge headers', `GET / HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ] as const) {
    it(`answers ${what}`, async () => {
      const text = await raw(bytes);
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(text, /Content-Type: application\/problem\+json/);
      assert.match(text, new RegExp(`"code":"${code}"`));
    });
  }

  it('survives a client that goes away in the middle of a body', async () => {
    const socket = connect(api.port, '127.0.0.1');
    socket.write(
      `POST /v1/operations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
    );
    await new Promise<void>((resolve) => socket.end(resolve));
    assert.equal((await api.call('GET', '/livez')).status, 200);
  });
});

describe('problems of ours', () => {
  it('says that the database is away, and that trying again helps', async () => {
    const gone = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
    await using broken = await startApi({ health: () => Promise.reject(gone) });
    const answer = await broken.call('GET', '/readyz');
    assertProblem(answer, 503, 'unavailable');
    assert.equal(answer.body.retryable, true);
    assert.equal(answer.headers.get('retry-after'), '2');
    assert.doesNotMatch(answer.text, /10\.1\.2\.3|ECONN/);
  });

  it('says so for every route, whatever the key', async () => {
    const url = 'postgres://nobody:secret@127.0.0.1:1/nothing';
    await using databases = openDatabases({ url, systemUrl: url, directUrl: url, poolSize: 2 });
    await using broken = await startApi({ store: createStore(databases, createDispatchBridge()) });
    const answers = [
      await broken.call('GET', '/v1/operations', { key: broken.platformKey }),
      await broken.call('POST', '/v1/operations', { key: broken.platformKey, body: START }),
    ];
    for (const answer of answers) {
      assertProblem(answer, 503, 'unavailable');
      assert.doesNotMatch(answer.text, /127\.0\.0\.1|ECONN|secret/);
    }
    assert.ok(!JSON.stringify(broken.logged).includes('nobody:secret'));
    assert.equal((await broken.call('GET', '/livez')).status, 200);
  });

  it('tells nothing from inside, but logs it under the request id', async () => {
    await using broken = await startApi({ health: () => Promise.reject(new Error('secret of /srv/app/x.ts')) });
    const answer = await broken.call('GET', '/readyz', { headers: { 'X-Request-Id': 'my-id' } });
    assertProblem(answer, 500, 'internal');
    assert.doesNotMatch(answer.text, /secret/);
    assert.equal(answer.body.requestId, 'my-id');
    assert.ok(broken.logged.some((line) => line['requestId'] === 'my-id' && line['msg'] === 'request failed'));
  });

  it('has a row in docs/errors.md for every problem', async () => {
    const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    for (const [code, { status, title, fix }] of Object.entries(PROBLEMS)) {
      assert.ok(text.includes(`| ${status} | \`${code}\` | ${title} | ${fix} |`), `${code} is missing or stale`);
    }
  });

  it('has a page for every problem', async () => {
    for (const code of Object.keys(PROBLEMS)) {
      const answer = await api.call('GET', `/problems/${code}`);
      assert.equal(answer.status, 200);
      assert.match(answer.text, /What to do/);
    }
    assert.match((await api.call('GET', '/problems')).text, /idempotency_key_reused/);
  });
});
