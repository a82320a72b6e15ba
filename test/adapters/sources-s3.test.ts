// What services of S3 answer, by one that says whatever a test wants; what an emulator says is in test/files/sources.test.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createSources, type Sources } from '../../src/adapters/sources.ts';
import { loadConfig } from '../../src/config.ts';
import { parseSourceRule } from '../../src/contracts/files/source.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const ETAG = '"one"';
const CONTENT = 'hello, world';

/** By key. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  fine: (_request, response) => response.writeHead(200, { ETag: ETAG, 'Content-Length': CONTENT.length }).end(CONTENT),
  forbidden: (_request, response) => response.writeHead(403).end(),
  elsewhere: (_request, response) => response.writeHead(301).end(),
  missing: (_request, response) => response.writeHead(404).end(),
  busy: (_request, response) => response.writeHead(503).end(),
  'without-etag': (_request, response) => response.writeHead(200, { 'Content-Length': CONTENT.length }).end(CONTENT),
  'knows-conditions': (request, response) => response.writeHead(request.headers['if-match'] === ETAG ? 412 : 500).end(),
  'knows-no-conditions': (_request, response) => response.writeHead(200, { ETag: '"two"', 'Content-Length': CONTENT.length }).end(CONTENT),
  breaks: (_request, response) => {
    response.writeHead(200, { ETag: ETAG, 'Content-Length': CONTENT.length }).write(CONTENT.slice(0, 5));
    response.destroy();
  },
};

const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url}`);
  const key =
    URL.parse(request.url ?? '', 'http://localhost')
      ?.pathname.split('/')
      .at(-1) ?? '';
  ANSWERS[key]?.(request, response);
});

let endpoint: string;
let workDir: string;
let sources: Sources;

before(async () => {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test-secret';
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
  workDir = await mkdtemp(join(tmpdir(), 'nightshift-sources-'));
  sources = of(`acme=s3://inbox?endpoint=${endpoint}`, `*=s3://shared/for/{tenant}?endpoint=${endpoint}`);
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await rm(workDir, { recursive: true, force: true });
});

const of = (...rules: readonly string[]) => createSources({ rules: rules.map(parseSourceRule), workDir });
const refOf = (key: string) => ({ tenantId: 'acme', source: `s3://inbox/${key}`, etag: ETAG });

describe('sources: s3', () => {
  it('read the version that was registered, whole, in part, and as a file', async () => {
    assert.deepEqual(await sources.look('acme', 's3://inbox/fine'), { sizeBytes: 12, etag: ETAG });
    assert.deepEqual(await sources.confirm(refOf('fine')), { sizeBytes: 12 });
    const { body, sizeBytes } = await sources.open(refOf('fine'));
    assert.deepEqual([Buffer.concat(await body.toArray()).toString(), sizeBytes], [CONTENT, 12]);
    {
      await using file = await sources.openLocal(refOf('fine'));
      assert.equal(await readFile(file.path, 'utf8'), CONTENT);
    }
    assert.deepEqual(await readdir(workDir), []);
  });

  it('leave no file behind when the object breaks off', async () => {
    await assert.rejects(sources.openLocal(refOf('breaks')));
    assert.deepEqual(await readdir(workDir), []);
  });

  for (const [key, looking, reading] of [
    ['forbidden', 'unreadable', 'unreadable'],
    ['elsewhere', 'unreadable', 'unreadable'],
    ['missing', 'unreadable', 'changed'],
    ['busy', 'unavailable', 'unavailable'],
    ['without-etag', 'unreadable', 'changed'],
    ['knows-conditions', 'unavailable', 'changed'],
    ['knows-no-conditions', undefined, 'changed'],
  ] as const)
    it(`tell what is wrong with one that is ${key}`, async () => {
      const look = sources.look('acme', `s3://inbox/${key}`);
      await (looking === undefined ? look : assert.rejects(look, { name: 'SourceError', fault: looking }));
      const wanted = { name: 'SourceError', fault: reading };
      await assert.rejects(sources.open(refOf(key)), wanted);
      await assert.rejects(sources.open(refOf(key), { firstByte: 2 }), wanted);
      await assert.rejects(sources.confirm(refOf(key)), wanted);
      await assert.rejects(sources.openLocal(refOf(key)), wanted);
    });

  it('tell that a service is away', async () => {
    const away = of('acme=s3://inbox?endpoint=http://127.0.0.1:1');
    await assert.rejects(away.look('acme', 's3://inbox/fine'), { fault: 'unavailable' });
    await assert.rejects(away.open(refOf('fine')), { fault: 'unavailable' });
  });

  it('stop when they are told to', async () => {
    await assert.rejects(sources.look('acme', 's3://inbox/fine', { signal: AbortSignal.abort('enough') }), (error) => error === 'enough');
  });
});

describe('sources: who may name what', () => {
  it('is asked before anything is read', async () => {
    const known = asked.length;
    for (const [tenantId, source] of [
      ['other', 's3://inbox/fine'],
      ['acme', 's3://in/fine'],
      ['acme', 's3://shared/for/other/fine'],
      ['acme', 's3://shared/for/acme-2/fine'],
      ['acme', 's3://shared/fine'],
      ['acme', 's3://shared/for/acme/../other/fine'],
      ['acme', 's3://shared/for/acme/./../other/fine'],
      ['acme', 's3://shared/for/acme'],
      ['acme', 's3://shared/for/acme/'],
      ['acme', 'https://inbox/fine'],
      ['acme', 's3://inbox'],
    ] as const) {
      const wanted = { name: 'SourceError', fault: 'not_allowed' };
      await assert.rejects(sources.look(tenantId, source), wanted, source);
      await assert.rejects(sources.open({ tenantId, source, etag: ETAG }), wanted, source);
      await assert.rejects(sources.confirm({ tenantId, source, etag: ETAG }), wanted, source);
      await assert.rejects(sources.openLocal({ tenantId, source, etag: ETAG }), wanted, source);
    }
    assert.equal(asked.length, known);
    await sources.look('acme', 's3://shared/for/acme/fine');
    await sources.look('other', 's3://shared/for/other/fine');
    assert.deepEqual(asked.slice(known), ['HEAD /shared/for/acme/fine', 'HEAD /shared/for/other/fine']);
  });

  it('ends when the rule goes', async () => {
    await assert.rejects(of().open(refOf('fine')), { fault: 'not_allowed' });
  });

  it('takes keys as they stand', async () => {
    const known = asked.length;
    await sources.look('acme', 's3://inbox/a%2Fb?c#d é/fine');
    assert.deepEqual(asked.slice(known), ['HEAD /inbox/a%252Fb%3Fc%23d%20%C3%A9/fine']);
  });
});

describe('the setting FILE_SOURCES', () => {
  const SETTINGS = { DATABASE_URL: 'postgres://a@b/c', SMTP_URL: 'smtp://a' };
  const load = (FILE_SOURCES: string, STORAGE_URL = 'file:./x') => loadConfig({ ...SETTINGS, FILE_SOURCES, STORAGE_URL }).files.sources;

  it('opens places to tenants', () => {
    assert.deepEqual(load('acme=s3://inbox/in/?region=eu-1, *=s3://shared/{tenant}/new?endpoint=https://s3.example.com/&pathStyle=0'), [
      { tenant: 'acme', location: { bucket: 'inbox', prefix: 'in/', endpoint: undefined, region: 'eu-1', isPathStyle: false } },
      {
        tenant: '*',
        location: {
          ...{ bucket: 'shared', prefix: '{tenant}/new/', endpoint: 'https://s3.example.com', region: undefined },
          isPathStyle: false,
        },
      },
    ]);
  });

  for (const [text, message] of [
    ['s3://inbox', /id of a tenant/],
    ['Acme=s3://inbox', /id of a tenant/],
    ['acme=inbox', /must name a bucket/],
    ['acme=file:///etc', /must name a bucket/],
    ['*=s3://inbox', /\{tenant\}/],
    ['*=s3://inbox/in-{tenant}', /\{tenant\}/],
    ['acme=s3://key:secret@inbox', /no secrets/],
    ['acme=s3://inbox?endpoint=ftp://x', /http/],
  ] as const)
    it(`refuses ${text}`, () => void assert.throws(() => load(text), message));

  it('refuses what would open the storage itself', () => {
    for (const [places, storage] of [
      ['acme=s3://files', 's3://files/nightshift'],
      ['acme=s3://files/nightshift/files/acme', 's3://files/nightshift'],
      ['acme=s3://files/in', 's3://files'],
      ['*=s3://files/{tenant}', 's3://files/nightshift'],
    ] as const)
      assert.throws(() => load(places, storage), /FILE_SOURCES: opens what STORAGE_URL keeps/, places);
    for (const [places, storage] of [
      ['acme=s3://files/in', 's3://files/nightshift'],
      ['*=s3://files/in/{tenant}', 's3://files/nightshift'],
      ['acme=s3://inbox', 's3://files'],
      ['acme=s3://files?endpoint=https://other.example.com', 's3://files'],
    ] as const)
      assert.equal(load(places, storage).length, 1, places);
  });
});
