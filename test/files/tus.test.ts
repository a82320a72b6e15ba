import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { assertProblem } from '../api/fixture.ts';
import { holds, type RawOptions, sha256, textOf, useFileWorld } from './world.ts';

const MAX_BYTES = 2 * 1024 * 1024;
const world = useFileWorld({ files: { maxBytes: MAX_BYTES, quotaBytes: 20 * 1024 * 1024 } });

const idOf = (path: string): string => path.split('/').at(-1) ?? '';
const at = (offset: number): Record<string, string> => ({ 'Upload-Offset': String(offset) });

async function offsetOf(path: string): Promise<number> {
  const answer = await world.tus('HEAD', path);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  return Number(answer.headers.get('upload-offset'));
}

async function usage(): Promise<number> {
  return Number((await world.api().sql(world.tenantId(), 'select bytes from file_usage'))[0]?.['bytes'] ?? 0);
}

/** A body whose length nobody says. */
function streamOf(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(Buffer.from(text));
      controller.close();
    },
  });
}

describe('tus: what the server can', () => {
  it('is told to whoever asks, without a key', async () => {
    for (const path of ['/v1/uploads', '/v1/uploads/019ab6a0-7c00-7000-8000-000000000001']) {
      const answer = await fetch(`${world.api().url}${path}`, { method: 'OPTIONS' });
      assert.equal(answer.status, 204);
      assert.equal(answer.headers.get('tus-resumable'), '1.0.0');
      assert.equal(answer.headers.get('tus-version'), '1.0.0');
      assert.equal(answer.headers.get('tus-max-size'), String(MAX_BYTES));
      assert.equal(answer.headers.get('tus-checksum-algorithm'), 'sha1,sha256,crc32');
      assert.deepEqual(answer.headers.get('tus-extension')?.split(','), [
        ...['creation', 'creation-with-upload', 'creation-defer-length', 'checksum', 'expiration', 'termination'],
      ]);
    }
  });

  it('is refused in another version, with the one that is spoken', async () => {
    const path = await world.begin(5);
    for (const version of [undefined, '0.2.2', '2.0.0']) {
      const headers: Record<string, string> = version === undefined ? {} : { 'Tus-Resumable': version };
      for (const [method, target] of [
        ['POST', '/v1/uploads'],
        ['PATCH', path],
        ['DELETE', path],
      ] as const) {
        const answer = await world.raw(method, target, { headers: { ...headers, 'Upload-Length': '5' } });
        assertProblem(answer, 412, 'tus_version_unsupported');
        assert.equal(answer.headers.get('tus-version'), '1.0.0');
        assert.equal(answer.headers.get('tus-resumable'), '1.0.0');
      }
      assert.equal((await world.raw('HEAD', path, { headers })).status, 412);
    }
  });
});

describe('tus: creation', () => {
  it('answers where to send bytes, and until when it is kept', async () => {
    const answer = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '5' } });
    assert.equal(answer.status, 201);
    assert.match(answer.headers.get('location') ?? '', /^\/v1\/uploads\/[0-9a-f-]{36}$/);
    assert.equal(answer.headers.get('upload-offset'), '0');
    const leftMs = Date.parse(answer.headers.get('upload-expires') ?? '') - Date.now();
    assert.ok(leftMs > 3_500_000 && leftMs <= 3_600_000, String(leftMs));
    const file = await world.file(idOf(answer.headers.get('location') ?? ''));
    assert.deepEqual([file.state, file.receivedBytes, file.sizeBytes], ['uploading', 0, 5]);
  });

  it('takes the first bytes with it', async () => {
    const answer = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '10' }, body: 'hello' });
    assert.deepEqual([answer.status, answer.headers.get('upload-offset')], [201, '5']);
    assert.equal(await offsetOf(answer.headers.get('location') ?? ''), 5);
  });

  it('makes a whole file at once, and an empty one without any body', async () => {
    const whole = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '5' }, body: 'hello' });
    assert.equal((await world.reaches(idOf(whole.headers.get('location') ?? ''), 'ready')).sha256, sha256('hello'));
    const empty = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '0' } });
    assert.equal(empty.status, 201);
    const file = await world.reaches(idOf(empty.headers.get('location') ?? ''), 'quarantined');
    assert.deepEqual([file.sizeBytes, file.sha256, file.reasons?.[0]?.code], [0, sha256(''), 'empty_file']);
  });

  it('gives metadata back as it came', async () => {
    const text = `filename ${Buffer.from('Größe.txt').toString('base64')},is_good,count ${Buffer.from('7').toString('base64')}`;
    const made = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': '5', 'Upload-Metadata': text } });
    assert.equal(made.status, 201, made.text);
    const path = made.headers.get('location') ?? '';
    assert.equal((await world.tus('HEAD', path)).headers.get('upload-metadata'), text);
    assert.equal((await world.file(idOf(path))).name, 'Größe.txt');
  });

  it('refuses what makes no sense, and stores nothing', async () => {
    const before = (await world.raw('GET', '/v1/files?limit=200')).body.data.length;
    const encoded = (value: string): string => Buffer.from(value).toString('base64');
    for (const headers of [
      {},
      { 'Upload-Length': '-1' },
      { 'Upload-Length': 'many' },
      { 'Upload-Length': '1.5' },
      { 'Upload-Length': '99999999999999999999' },
      { 'Upload-Length': '5', 'Upload-Defer-Length': '1' },
      { 'Upload-Defer-Length': '2' },
      { 'Upload-Length': '5', 'Upload-Metadata': 'filename !!!' },
      { 'Upload-Length': '5', 'Upload-Metadata': `filename ${encoded('a')},filename ${encoded('b')}` },
      { 'Upload-Length': '5', 'Upload-Metadata': `filename ${encoded('../../etc/passwd')}` },
      { 'Upload-Length': '5', 'Upload-Metadata': `filename ${encoded('a\u0000b')}` },
      { 'Upload-Length': '5', 'Upload-Metadata': `filetype ${encoded('text')}` },
      { 'Upload-Length': '5', 'Upload-Metadata': `start ${encoded('{"priority":9}')}` },
      { 'Upload-Length': '5', 'Upload-Metadata': `start ${encoded('no json')}` },
      { 'Upload-Length': '5', 'Upload-Checksum': 'md5 AAAA' },
      { 'Upload-Length': '5', 'Upload-Checksum': 'sha1 AAAA' },
    ])
      assertProblem(await world.tus('POST', '/v1/uploads', { headers }), 400, 'invalid_request');
    assertProblem(
      await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Length': String(MAX_BYTES + 1) } }),
      413,
      'payload_too_large',
    );
    const wrongType = { 'Upload-Length': '5', 'Content-Type': 'text/plain' };
    assertProblem(await world.tus('POST', '/v1/uploads', { headers: wrongType, body: 'hello' }), 415, 'unsupported_media_type');
    assert.equal((await world.raw('GET', '/v1/files?limit=200')).body.data.length, before);
  });
});

describe('tus: bytes', () => {
  it('come in parts, each acknowledged by its offset', async () => {
    const bytes = textOf(100_000);
    const path = await world.begin(bytes.length);
    for (let offset = 0; offset < bytes.length; offset += 30_000) {
      const body = bytes.subarray(offset, offset + 30_000);
      const answer = await world.tus('PATCH', path, { headers: at(offset), body });
      assert.equal(answer.status, 204, answer.text);
      assert.equal(answer.headers.get('upload-offset'), String(offset + body.length));
    }
    assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256(bytes));
  });

  it('are refused at another offset, which is told', async () => {
    const path = await world.begin(10);
    for (const offset of [1, 10, 11])
      assertProblem(await world.tus('PATCH', path, { headers: at(offset), body: '' }), 409, 'upload_offset_mismatch');
    await world.tus('PATCH', path, { headers: at(0), body: 'hello' });
    const again = await world.tus('PATCH', path, { headers: at(0), body: 'HELLO' });
    assertProblem(again, 409, 'upload_offset_mismatch');
    assert.equal(again.headers.get('upload-offset'), '5');
    assert.equal(await offsetOf(path), 5);
  });

  it('are refused in another type, without an offset, and beyond the length', async () => {
    const path = await world.begin(10);
    const type = { ...at(0), 'Content-Type': 'application/octet-stream' };
    assertProblem(await world.tus('PATCH', path, { headers: type, body: 'hello' }), 415, 'unsupported_media_type');
    assertProblem(await world.tus('PATCH', path, { body: 'hello' }), 400, 'invalid_request');
    assertProblem(await world.tus('PATCH', path, { headers: at(-1), body: 'hello' }), 400, 'invalid_request');
    assertProblem(await world.tus('PATCH', path, { headers: at(0), body: 'hello, world' }), 413, 'payload_too_large');
    assert.equal(await offsetOf(path), 0);
  });

  it('beyond the length are refused too when nobody said how many they are', async () => {
    const path = await world.begin(10);
    assertProblem(await world.tus('PATCH', path, { headers: at(0), body: streamOf('hello, world') }), 413, 'payload_too_large');
    assert.equal(await offsetOf(path), 0);
  });

  it('after the last are none: a repeated end is answered as the first was', async () => {
    const path = await world.begin(5);
    await world.tus('PATCH', path, { headers: at(0), body: 'hello' });
    assert.equal((await world.tus('PATCH', path, { headers: at(5), body: '' })).status, 204);
    assertProblem(await world.tus('PATCH', path, { headers: at(5), body: 'more' }), 409, 'upload_offset_mismatch');
    assertProblem(await world.tus('PATCH', path, { headers: at(0), body: 'hello' }), 409, 'upload_offset_mismatch');
    assert.equal(await offsetOf(path), 5);
  });

  it('go to uploads whose length comes later', async () => {
    const made = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Defer-Length': '1' } });
    const path = made.headers.get('location') ?? '';
    assert.equal((await world.tus('HEAD', path)).headers.get('upload-defer-length'), '1');
    assert.equal((await world.tus('PATCH', path, { headers: at(0), body: 'hello' })).status, 204);
    const tooFew = { ...at(5), 'Upload-Length': '4' };
    assert.equal((await world.tus('PATCH', path, { headers: tooFew, body: '' })).status, 413);
    assert.equal((await world.tus('PATCH', path, { headers: { ...at(5), 'Upload-Length': '12' }, body: ', wo' })).status, 204);
    const head = await world.tus('HEAD', path);
    assert.deepEqual([head.headers.get('upload-length'), head.headers.get('upload-defer-length')], ['12', null]);
    assertProblem(await world.tus('PATCH', path, { headers: { ...at(9), 'Upload-Length': '13' }, body: 'rld' }), 400, 'invalid_request');
    assert.equal((await world.tus('PATCH', path, { headers: at(9), body: 'rld' })).status, 204);
    assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256('hello, world'));
  });

  it('are sent by POST where a client can send nothing else', async () => {
    const path = await world.begin(5);
    const headers = { ...at(0), 'X-HTTP-Method-Override': 'PATCH' };
    assert.equal((await world.tus('POST', path, { headers, body: 'hello' })).status, 204);
    assertProblem(await world.tus('POST', path, {}), 405, 'method_not_allowed');
  });

  it('of a request that broke off are kept', async () => {
    const path = await world.begin(1_000_000);
    await breakOff(path, Buffer.alloc(300_000, 'x'));
    await holds(async () => assert.equal(await offsetOf(path), 300_000));
    const rest = await world.tus('PATCH', path, { headers: at(300_000), body: Buffer.alloc(700_000, 'x') });
    assert.equal(rest.status, 204);
    assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256(Buffer.alloc(1_000_000, 'x')));
  });
});

/** Sends the head of a request and some of its body, then cuts the line. */
async function breakOff(path: string, bytes: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const sent = httpRequest(`${world.api().url}${path}`, {
    method: 'PATCH',
    headers: {
      ...{ Authorization: `Bearer ${world.key()}`, 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' },
      ...{ 'Upload-Offset': '0', 'Content-Length': '1000000', ...headers },
    },
  });
  sent.on('error', () => undefined);
  await new Promise((resolve) => sent.write(bytes, resolve));
  const id = idOf(path);
  // Nothing tells the client how much has arrived, so the test looks at the file.
  await holds(async () => assert.equal((await world.partials(id)).length, 1));
  await holds(async () => assert.equal(await receivedOf(id), true));
  sent.destroy();
  await new Promise((resolve) => sent.once('close', resolve));
}

/** The request holds the lock: it has been let in. */
async function receivedOf(id: string): Promise<boolean> {
  const rows = await world.api().sql(world.tenantId(), 'select lock from upload where id = $1', [id]);
  return rows[0]?.['lock'] !== null;
}

describe('tus: checksums', () => {
  const body = Buffer.from('hello, world');
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body));
  const right = {
    sha1: createHash('sha1').update(body).digest('base64'),
    sha256: createHash('sha256').update(body).digest('base64'),
    crc32: crc.toString('base64'),
  };

  for (const [algorithm, digest] of Object.entries(right)) {
    it(`by ${algorithm} let the right bytes in and keep none of the wrong ones`, async () => {
      const path = await world.begin(body.length);
      const checksum = { ...at(0), 'Upload-Checksum': `${algorithm} ${digest}` };
      const wrong = await world.tus('PATCH', path, { headers: checksum, body: 'hello, World' });
      assertProblem(wrong, 460, 'checksum_mismatch');
      assert.equal(await offsetOf(path), 0);
      assert.equal((await world.tus('PATCH', path, { headers: checksum, body })).status, 204);
      assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256(body));
    });
  }

  it('keep nothing of a request that broke off', async () => {
    const path = await world.begin(1_000_000);
    await breakOff(path, Buffer.alloc(300_000, 'x'), { 'Upload-Checksum': `sha256 ${right.sha256}` });
    await holds(async () => assert.equal(await receivedOf(idOf(path)), false));
    assert.equal(await offsetOf(path), 0);
  });

  it('work for the bytes that come with the creation', async () => {
    const headers = { 'Upload-Length': String(body.length), 'Upload-Checksum': `sha256 ${right.sha256}` };
    assert.equal((await world.tus('POST', '/v1/uploads', { headers, body })).status, 201);
  });

  it('of a last body without a byte end no upload, nor the length that came with it', async () => {
    const before = await usage();
    const made = await world.tus('POST', '/v1/uploads', { headers: { 'Upload-Defer-Length': '1' } });
    const path = made.headers.get('location') ?? '';
    assert.equal((await world.tus('PATCH', path, { headers: at(0), body: 'hello' })).status, 204);
    const end = { ...at(5), 'Upload-Length': '5' };
    for (const refused of [
      await world.tus('PATCH', path, { headers: { ...end, 'Upload-Checksum': 'crc32 AAAAAQ==' }, body: '' }),
      await world.tus('PATCH', path, { headers: end, body: streamOf('more') }),
      await world.tus('PATCH', path, { headers: { ...at(5), 'Upload-Length': '9', 'Upload-Checksum': 'crc32 AAAAAQ==' }, body: 'more' }),
    ]) {
      assert.ok(refused.status === 460 || refused.status === 413, refused.text);
      const head = await world.tus('HEAD', path);
      assert.deepEqual([head.headers.get('upload-offset'), head.headers.get('upload-defer-length')], ['5', '1']);
      assert.equal(await usage(), before + 5);
    }
    assert.equal((await world.file(idOf(path))).state, 'uploading');
    assert.equal((await world.tus('PATCH', path, { headers: { ...end, 'Upload-Checksum': 'crc32 AAAAAA==' }, body: '' })).status, 204);
    assert.equal((await world.reaches(idOf(path), 'ready')).sha256, sha256('hello'));
  });
});

describe('tus: a first body that is refused', () => {
  const files = async (): Promise<number> => (await world.raw('GET', '/v1/files?limit=200')).body.data.length;
  const wrong = (): [string, RawOptions, number][] => [
    ['by its checksum', { headers: { 'Upload-Length': '1000', 'Upload-Checksum': 'crc32 AAAAAA==' }, body: 'hello' }, 460],
    ['by its length', { headers: { 'Upload-Length': '5' }, body: streamOf('hello, world') }, 413],
    ['with nothing to come', { headers: { 'Upload-Length': '0' }, body: streamOf('hello') }, 413],
  ];

  it('leaves no upload, and takes no room', async () => {
    const before = [await files(), await usage()];
    for (const [why, request, status] of wrong()) {
      const answer = await world.tus('POST', '/v1/uploads', request);
      assert.deepEqual([answer.status, answer.headers.get('location')], [status, null], why);
      await holds(async () => assert.deepEqual([await files(), await usage()], before, why));
    }
  });

  it('with an Idempotency-Key leaves an upload to come back to, and says where', async () => {
    const before = await usage();
    for (const [why, request, status] of wrong().slice(0, 2)) {
      const headers = { ...request.headers, 'Idempotency-Key': crypto.randomUUID() };
      const answer = await world.tus('POST', '/v1/uploads', { ...request, headers });
      assert.equal(answer.status, status, why);
      const path = answer.headers.get('location') ?? '';
      assert.equal(await offsetOf(path), 0);
      const again = await world.tus('POST', '/v1/uploads', { headers });
      assert.deepEqual([again.status, again.headers.get('location')], [201, path], why);
      assert.equal((await world.tus('DELETE', path)).status, 204);
    }
    await holds(async () => assert.equal(await usage(), before));
  });
});

describe('tus: termination and expiration', () => {
  it('ends an upload, whose bytes go and whose room is free again', async () => {
    const before = await usage();
    const path = await world.begin(10);
    await world.tus('PATCH', path, { headers: at(0), body: 'hello' });
    assert.equal((await world.tus('DELETE', path)).status, 204);
    assert.equal((await world.tus('HEAD', path)).status, 410);
    assertProblem(await world.tus('PATCH', path, { headers: at(5), body: 'hello' }), 410, 'upload_gone');
    assertProblem(await world.tus('DELETE', path), 410, 'upload_gone');
    assertProblem(await world.raw('GET', `/v1/files/${idOf(path)}`), 404, 'not_found');
    await holds(async () => assert.deepEqual(await world.partials(idOf(path)), []));
    await holds(async () => assert.equal(await usage(), before));
  });

  it('gives an upload up when its time has come, and moves that on with every byte', async () => {
    const path = await world.begin(10);
    const id = idOf(path);
    const hour = 3_600_000;
    const ref = { tenantId: world.tenantId(), fileId: id, kind: 'upload' } as const;
    const { removal } = world.core().deps.store.files;
    const begun = Date.now();
    await world.tus('PATCH', path, { headers: at(0), body: 'hello' });
    assert.equal((await removal.expireIfDue(ref, new Date(begun + hour - 1_000))).state, 'open');
    assert.equal((await removal.expireIfDue(ref, new Date(begun + 2 * hour))).state, 'expired');
    assertProblem(await world.tus('PATCH', path, { headers: at(5), body: 'hello' }), 410, 'upload_gone');
    const file = await world.file(id);
    assert.deepEqual([file.state, file.reasons?.[0]?.code], ['failed', 'upload_expired']);
  });

  it('has a workflow that keeps the time, and ends with the upload', async () => {
    const path = await world.begin(10);
    const { client } = world.core().serving.temporal;
    const workflowId = `upload:${world.tenantId()}:${idOf(path)}`;
    await world.api().sql(world.tenantId(), 'update dispatch set due_at = now() where workflow_id = $1', [workflowId]);
    await holds(async () => assert.equal((await client.workflow.getHandle(workflowId).describe()).status.name, 'RUNNING'));
    await world.tus('PATCH', path, { headers: at(0), body: 'hello, you' });
    assert.deepEqual(await client.workflow.getHandle(workflowId).result(), { state: 'complete' });
  });
});

describe('tus: quotas and tenants', () => {
  const statusesOf = (answers: readonly { readonly status: number }[]) =>
    answers.map(({ status }) => status).toSorted((one, other) => one - other);

  it('has room for a tenant’s files together, and no more', async () => {
    const stranger = await world.api().newTenant();
    const begin = (bytes: number) => world.tus('POST', '/v1/uploads', { key: stranger.key, headers: { 'Upload-Length': String(bytes) } });
    const paths: string[] = [];
    for (let index = 0; index < 10; index += 1) {
      const answer = await begin(MAX_BYTES);
      assert.equal(answer.status, 201);
      paths.push(answer.headers.get('location') ?? '');
    }
    assertProblem(await begin(1), 413, 'quota_exceeded');
    const deferred = await world.tus('POST', '/v1/uploads', { key: stranger.key, headers: { 'Upload-Defer-Length': '1' } });
    const target = deferred.headers.get('location') ?? '';
    assertProblem(await world.tus('PATCH', target, { key: stranger.key, headers: at(0), body: 'hello' }), 413, 'quota_exceeded');
    const declared = { ...at(0), 'Upload-Length': '5' };
    assertProblem(await world.tus('PATCH', target, { key: stranger.key, headers: declared, body: 'hello' }), 413, 'quota_exceeded');
    assert.equal((await world.tus('DELETE', paths[0] ?? '', { key: stranger.key })).status, 204);
    await holds(async () => assert.equal((await begin(1)).status, 201));
  });

  it('gives its last room to one, of many who ask at once, begun or sent without saying how much', async () => {
    const { key } = await world.api().newTenant();
    const begin = (bytes: number) => world.tus('POST', '/v1/uploads', { key, headers: { 'Upload-Length': String(bytes) } });
    const answers = await Promise.all(Array.from({ length: 16 }, () => begin(MAX_BYTES)));
    assert.deepEqual(statusesOf(answers), [...Array(10).fill(201), ...Array(6).fill(413)]);
    assert.equal(
      (await world.tus('DELETE', answers.find(({ status }) => status === 201)?.headers.get('location') ?? '', { key })).status,
      204,
    );
    await holds(async () => assert.equal((await begin(MAX_BYTES - 5)).status, 201));
    const deferred = await Promise.all(
      Array.from({ length: 4 }, () => world.tus('POST', '/v1/uploads', { key, headers: { 'Upload-Defer-Length': '1' } })),
    );
    const sent = await Promise.all(
      deferred.map(({ headers }) => world.tus('PATCH', headers.get('location') ?? '', { key, headers: at(0), body: 'hello' })),
    );
    assert.deepEqual(statusesOf(sent), [204, 413, 413, 413]);
  });

  it('shows another tenant’s upload to nobody', async () => {
    const stranger = await world.api().newTenant();
    const path = await world.begin(5);
    assert.equal((await world.tus('HEAD', path, { key: stranger.key })).status, 404);
    assertProblem(await world.tus('PATCH', path, { key: stranger.key, headers: at(0), body: 'hello' }), 404, 'not_found');
    assertProblem(await world.tus('DELETE', path, { key: stranger.key }), 404, 'not_found');
    assert.equal(await offsetOf(path), 0);
  });
});
