import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertProblem } from '../api/fixture.ts';
import { holds, useFileWorld } from './world.ts';

const world = useFileWorld();
const TEXT = 'abcdefghijklmnopqrstuvwxyz';

async function ready(name = 'letters.txt'): Promise<string> {
  const file = await world.put(TEXT, name, 'text/plain');
  assert.equal(file.state, 'ready', JSON.stringify(file.reasons));
  return file.id;
}

describe('the content of a file', () => {
  it('is an attachment that runs nothing, whatever it is', async () => {
    const id = await ready();
    const answer = await world.raw('GET', `/v1/files/${id}/content`);
    assert.equal(answer.text, TEXT);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.equal(answer.headers.get('content-disposition'), `attachment; filename="letters.txt"; filename*=UTF-8''letters.txt`);
    assert.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.equal(answer.headers.get('accept-ranges'), 'bytes');
    const head = await world.raw('HEAD', `/v1/files/${id}/content`);
    assert.deepEqual([head.status, head.headers.get('content-length'), head.text], [200, '26', '']);
  });

  it('has a name that every client can read, and none can misread', async () => {
    const id = await ready('Größe neu; 100%.txt');
    const disposition = (await world.raw('GET', `/v1/files/${id}/content`)).headers.get('content-disposition') ?? '';
    assert.equal(disposition, `attachment; filename="Gr__e neu_ 100_.txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20neu%3B%20100%25.txt`);
  });

  for (const [range, from, to] of [
    ['bytes=0-0', 0, 0],
    ['bytes=5-9', 5, 9],
    ['bytes=20-', 20, 25],
    ['bytes=20-1000', 20, 25],
    ['bytes=-3', 23, 25],
    ['bytes=-1000', 0, 25],
  ] as const) {
    it(`comes in parts: ${range}`, async () => {
      const answer = await world.raw('GET', `/v1/files/${await shared()}/content`, { headers: { Range: range } });
      assert.equal(answer.status, 206);
      assert.equal(answer.text, TEXT.slice(from, to + 1));
      assert.equal(answer.headers.get('content-range'), `bytes ${from}-${to}/26`);
      assert.equal(answer.headers.get('content-length'), String(to - from + 1));
    });
  }

  it('comes in several parts at once', async () => {
    const answer = await world.raw('GET', `/v1/files/${await shared()}/content`, { headers: { Range: 'bytes=0-1, -2' } });
    assert.equal(answer.status, 206);
    const boundary = /boundary=(\S+)/.exec(answer.headers.get('content-type') ?? '')?.[1];
    assert.equal(answer.headers.get('content-length'), String(answer.text.length));
    const parts = answer.text.split(`--${boundary}`).map((part) => part.split('\r\n\r\n')[1]?.trim());
    assert.deepEqual(parts.slice(1, 3), ['ab', 'yz']);
  });

  it('is the whole where a range is no range of bytes, and refused where none of it is there', async () => {
    const path = `/v1/files/${await shared()}/content`;
    for (const range of ['lines=1-2', 'bytes=5-1', 'bytes=', 'bytes=a-b', 'bytes=0-25,0-25'])
      assert.deepEqual([(await world.raw('GET', path, { headers: { Range: range } })).status], [200], range);
    const answer = await world.raw('GET', path, { headers: { Range: 'bytes=26-' } });
    assertProblem(answer, 416, 'range_not_satisfiable');
    assert.equal(answer.headers.get('content-range'), 'bytes */26');
  });

  it('is not sent again to who has it, and ranges are of the file that was begun with', async () => {
    const path = `/v1/files/${await shared()}/content`;
    const etag = (await world.raw('GET', path)).headers.get('etag') ?? '';
    assert.match(etag, /^"[0-9a-f]{64}"$/);
    const same = await world.raw('GET', path, { headers: { 'If-None-Match': `"other", W/${etag}` } });
    assert.deepEqual([same.status, same.text], [304, '']);
    const range = { Range: 'bytes=0-1' };
    assert.equal((await world.raw('GET', path, { headers: { ...range, 'If-Range': etag } })).status, 206);
    assert.equal((await world.raw('GET', path, { headers: { ...range, 'If-Range': '"other"' } })).status, 200);
  });

  it('opens in a browser with a token in the address', async () => {
    const answer = await world.raw('POST', '/v1/files?name=a.txt&start=%7B%22ownerSubject%22%3A%22u_1%22%7D', {
      body: 'mine',
      headers: { Prefer: 'wait=25' },
    });
    const { key } = await world.api().newToken(world.tenantId());
    const response = await fetch(`${world.api().url}${answer.body.links.resource}/content?access_token=${key}`);
    assert.equal(await response.text(), 'mine');
  });
});

let sharedId: Promise<string> | undefined;
function shared(): Promise<string> {
  sharedId ??= ready();
  return sharedId;
}

describe('links', () => {
  async function link(id: string, body = '{}'): Promise<string> {
    const answer = await world.raw('POST', `/v1/files/${id}/links`, { body, headers: { 'Content-Type': 'application/json' } });
    assert.equal(answer.status, 201, answer.text);
    return new URL(answer.body.url).pathname;
  }
  const open = (path: string): Promise<Response> => fetch(`${world.api().url}${path}`, { headers: { Range: 'bytes=0-2' } });

  it('give the file to whoever has them', async () => {
    const response = await open(await link(await shared()));
    assert.deepEqual([response.status, await response.text()], [206, 'abc']);
    assert.match(response.headers.get('content-disposition') ?? '', /^attachment/);
  });

  it('can not be made up, changed or made to last', async () => {
    const path = await link(await shared(), '{ "expiresIn": "1m" }');
    const parts = path.slice('/f/'.length).split('.');
    const later = [parts[0], parts[1], String(Number(parts[2]) + 1_000), parts[3]];
    const other = [parts[0], '019ab6a0-7c00-7000-8000-000000000001', parts[2], parts[3]];
    for (const token of [later, other, [...parts.slice(0, 3), 'A'.repeat(43)], ['nobody', ...parts.slice(1)], ['x']])
      assert.equal((await open(`/f/${token.join('.')}`)).status, 404);
    for (const expiresIn of ['1s', '31d', 'soon'])
      assertProblem(
        await world.raw('POST', `/v1/files/${await shared()}/links`, {
          body: JSON.stringify({ expiresIn }),
          headers: { 'Content-Type': 'application/json' },
        }),
        400,
        'invalid_request',
      );
  });

  it('die with their file', async () => {
    const id = await ready();
    const path = await link(id);
    assert.equal((await world.raw('DELETE', `/v1/files/${id}`)).status, 204);
    assert.equal((await open(path)).status, 404);
    assertProblem(await world.raw('GET', `/v1/files/${id}/content`), 404, 'not_found');
    assertProblem(await world.raw('DELETE', `/v1/files/${id}`), 404, 'not_found');
    const objectName = `files/${world.tenantId()}/${id}`;
    await holds(async () => assert.equal(await world.core().deps.storage.stat(objectName), undefined));
    const row = (await world.api().sql(world.tenantId(), 'select name, state, reserved_bytes from file where id = $1', [id]))[0];
    assert.deepEqual([row?.['name'], row?.['state']], [null, 'deleted']);
  });

  it('last no longer than the token that makes them', async () => {
    const expiresAt = new Date(Math.floor(Date.now() / 1000) * 1000 + 600_000);
    const { key } = await world.api().newToken(world.tenantId(), { subject: 'u_links', expiresAt });
    const made = await world.raw('POST', '/v1/files?name=own.txt', { key, body: 'own', headers: { 'Content-Type': 'text/plain' } });
    const id: string = made.body.links.resource.split('/').at(-1);
    await world.reaches(id, 'ready');
    const headers = { 'Content-Type': 'application/json' };
    const longest = await world.raw('POST', `/v1/files/${id}/links`, { key, headers, body: '{ "expiresIn": "30d" }' });
    assert.deepEqual([longest.status, longest.body.expiresAt], [201, expiresAt.toISOString()]);
    const short = await world.raw('POST', `/v1/files/${id}/links`, { key, headers, body: '{ "expiresIn": "1m" }' });
    assert.ok(Date.parse(short.body.expiresAt) < expiresAt.getTime() - 500_000, short.body.expiresAt);
  });

  it('end with the token that made them, and can not be freed of it', async () => {
    const { id: tokenId, key } = await world.api().newToken(world.tenantId(), { subject: 'u_revoked' });
    const made = await world.raw('POST', '/v1/files?name=own.txt', { key, body: 'own', headers: { 'Content-Type': 'text/plain' } });
    const id: string = made.body.links.resource.split('/').at(-1);
    await world.reaches(id, 'ready');
    const answer = await world.raw('POST', `/v1/files/${id}/links`, { key });
    const path = new URL(answer.body.url).pathname;
    const parts = path.split('.');
    assert.equal((await open(path)).status, 206);
    assert.equal((await open([...parts.slice(0, 3), parts[4]].join('.'))).status, 404, 'as if a key had made it');
    assert.equal((await world.raw('DELETE', `/v1/tokens/${tokenId}`)).status, 200);
    await holds(async () => assert.equal((await open(path)).status, 404));
    assert.equal((await open(await link(id))).status, 206, 'those of others go on');
  });

  it('of a tenant that is closed lead nowhere', async () => {
    const { id: tenantId, key } = await world.api().newTenant();
    const made = await world.raw('POST', '/v1/files?name=a.txt', {
      key,
      body: 'abcdef',
      headers: { 'Content-Type': 'text/plain', Prefer: 'wait=25' },
    });
    const answer = await world.raw('POST', `${made.body.links.resource}/links`, { key });
    assert.equal(answer.status, 201, answer.text);
    const path = new URL(answer.body.url).pathname;
    assert.equal((await open(path)).status, 206);
    const platform = world.api().platformKey;
    assert.equal((await world.raw('DELETE', `/v1/tenants/${tenantId}`, { key: platform })).status, 204);
    assert.equal((await open(path)).status, 404);
    const again = { 'Content-Type': 'application/json' };
    await world.raw('PUT', `/v1/tenants/${tenantId}`, { key: platform, headers: again, body: '{ "name": "again" }' });
    assert.equal((await open(path)).status, 206);
  });
});
