// What a browser must be told before a page of another origin may upload.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Api, startApi } from '../api/fixture.ts';

const ORIGIN = 'https://app.example.com';
/** What tus clients set, and what they read. */
const SENT = [
  'authorization',
  'content-type',
  'tus-resumable',
  'upload-checksum',
  'upload-defer-length',
  'upload-length',
  'upload-metadata',
  'upload-offset',
];
const READ = [
  'location',
  'tus-checksum-algorithm',
  'tus-extension',
  'tus-max-size',
  'tus-resumable',
  'tus-version',
  'upload-expires',
  'upload-length',
  'upload-offset',
];

let api: Api;
let key: string;
before(async () => {
  const http = { publicUrl: 'http://nightshift.test', bodyLimitBytes: 100_000, rateLimitPerMinute: 1_000_000 };
  api = await startApi({ http: { ...http, corsOrigins: [ORIGIN] } });
  ({ key } = await api.newTenant());
});
after(() => api[Symbol.asyncDispose]());

function namesIn(list: string | null): readonly string[] {
  return (list ?? '').split(',').map((name) => name.trim().toLowerCase());
}

function assertHolds(list: string | null, wanted: readonly string[]): void {
  const names = namesIn(list);
  assert.deepEqual(
    wanted.filter((name) => !names.includes(name)),
    [],
    String(list),
  );
}

describe('tus for browsers', () => {
  for (const [method, path] of [
    ['POST', '/v1/uploads'],
    ['PATCH', '/v1/uploads/019ab6a0-7c00-7000-8000-000000000001'],
    ['HEAD', '/v1/uploads/019ab6a0-7c00-7000-8000-000000000001'],
    ['DELETE', '/v1/uploads/019ab6a0-7c00-7000-8000-000000000001'],
  ] as const)
    it(`allows ${method} with all that a client sends, without a key in the preflight`, async () => {
      const headers = { Origin: ORIGIN, 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': SENT.join(',') };
      const answer = await api.call('OPTIONS', path, { headers });
      assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [204, ORIGIN]);
      assertHolds(answer.headers.get('access-control-allow-methods'), [method.toLowerCase()]);
      assertHolds(answer.headers.get('access-control-allow-headers'), SENT);
      // A cookie of ours must never go with a request of another page.
      assert.equal(answer.headers.get('access-control-allow-credentials'), null);
    });

  it('lets pages read what a client needs, of refusals too', async () => {
    const tus = { Origin: ORIGIN, 'Tus-Resumable': '1.0.0' };
    const begun = await api.call('POST', '/v1/uploads', { key, headers: { ...tus, 'Upload-Length': '5' } });
    const refused = await api.call('POST', '/v1/uploads', { headers: { ...tus, 'Upload-Length': '5' } });
    assert.deepEqual([begun.status, refused.status], [201, 401]);
    for (const { headers } of [begun, refused]) {
      assert.equal(headers.get('access-control-allow-origin'), ORIGIN);
      assertHolds(headers.get('access-control-expose-headers'), READ);
    }
  });

  it('tells what the server can to a client that asks by OPTIONS', async () => {
    const { headers } = await api.call('OPTIONS', '/v1/uploads', { headers: { Origin: ORIGIN } });
    assert.equal(headers.get('access-control-allow-origin'), ORIGIN);
    assert.match(headers.get('tus-extension') ?? '', /creation-with-upload/);
    assertHolds(headers.get('access-control-expose-headers'), ['tus-extension', 'tus-version']);
  });

  it('says nothing of it to a page of another origin', async () => {
    const headers = { Origin: 'https://evil.example.com', 'Access-Control-Request-Method': 'POST' };
    assert.equal((await api.call('OPTIONS', '/v1/uploads', { headers })).headers.get('access-control-allow-origin'), null);
  });
});
