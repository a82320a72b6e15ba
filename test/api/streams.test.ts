import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type Api, START, assertProblem, startApi } from './fixture.ts';

let api: Api;

before(async () => void (api = await startApi()));
after(() => api[Symbol.asyncDispose]());

interface Received {
  readonly id?: number;
  readonly event: string;
  readonly data: Record<string, unknown>;
  readonly atMs: number;
}

interface Reader {
  readonly events: Received[];
  readonly status: number;
  /** Resolves when the server has ended the stream or `close` was called. */
  readonly ended: Promise<void>;
  close(): void;
}

async function read(path: string, key: string, lastEventId?: number): Promise<Reader> {
  const controller = new AbortController();
  const response = await fetch(`${api.url}${path}`, {
    headers: { Authorization: `Bearer ${key}`, ...(lastEventId === undefined ? {} : { 'Last-Event-ID': String(lastEventId) }) },
    signal: controller.signal,
  });
  const events: Received[] = [];
  const ended = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) if (block.includes('event: ')) events.push(parse(block));
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    }
  })();
  return { events, status: response.status, ended, close: () => controller.abort() };
}

function parse(block: string): Received {
  const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
  const id = fields.get('id');
  return {
    ...(id === undefined ? {} : { id: Number(id) }),
    event: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? '{}'),
    atMs: performance.now(),
  };
}

async function start() {
  const { id: tenantId, key } = await api.newTenant();
  const { id } = (await api.call('POST', '/v1/operations', { key, body: START })).body;
  const path = `/v1/operations/${id}/stream`;
  const append = (type: 'step' | 'done', data: object) =>
    api.sql(tenantId, 'select append_stream_event($1, $2, $3, $4, now())', [tenantId, id, type, JSON.stringify(data)]);
  return { tenantId, key, id, path, append };
}

describe('the stream of an operation', () => {
  it('replays what is stored, sends what comes, and ends after done', async () => {
    const { key, path, append } = await start();
    await append('step', { n: 1 });
    const reader = await read(path, key);
    await eventually(() => reader.events.length === 2);
    await append('step', { n: 2 });
    await append('done', { status: 'succeeded' });
    await reader.ended;
    assert.deepEqual(
      reader.events.map(({ id, event }) => [id, event]),
      [
        [1, 'step'],
        [2, 'step'],
        [3, 'step'],
        [4, 'done'],
      ],
    );
    assert.equal(reader.events[3]?.data['status'], 'succeeded');
    const rest = await read(path, key, 2);
    await rest.ended;
    assert.deepEqual(
      rest.events.map(({ id }) => id),
      [3, 4],
    );
    assert.deepEqual((await api.call('GET', `${path}?lastEventId=3`, { key })).text.match(/^id: .*/gm), ['id: 4']);
    assert.equal((await api.call('GET', path, { key, headers: { 'Last-Event-ID': '4' } })).status, 204);
  });

  it('refuses an event id that is none', async () => {
    const { key, path } = await start();
    for (const id of ['x', '-1', '1.5', '99999999999999999999']) {
      assertProblem(await api.call('GET', path, { key, headers: { 'Last-Event-ID': id } }), 400, 'invalid_request');
    }
    assertProblem(await api.call('GET', `${path}?lastEventId=x`, { key }), 400, 'invalid_request');
  });

  it('loses no event and doubles none over 100 forced reconnects', async () => {
    const { key, path, append } = await start();
    const seen: number[] = [];
    let written = 1;
    let reconnects = 0;
    let isDone = false;
    const isWriting = () => reconnects < 100;
    const writing = (async () => {
      while (isWriting()) {
        await append('step', { written });
        written += 1;
      }
      await append('done', {});
      written += 1;
    })();
    while (!isDone) {
      const reader = await read(path, key, seen.at(-1) ?? 0);
      // Some readers are cut off before anything has come, some in the middle.
      const wanted = reconnects % 4;
      while (reader.events.length < wanted && reader.events.at(-1)?.event !== 'done') await new Promise((resolve) => setImmediate(resolve));
      if (reconnects < 100) reader.close();
      await reader.ended;
      for (const { id, event } of reader.events) {
        if (id !== undefined) seen.push(id);
        isDone ||= event === 'done';
      }
      reconnects += 1;
    }
    await writing;
    assert.ok(reconnects >= 100, `${reconnects} reconnects`);
    assert.deepEqual(
      seen,
      Array.from({ length: written }, (_, index) => index + 1),
    );
  });

  it('sends progress at most four times a second, the last value always, and without an id', async () => {
    const { tenantId, id, key, path, append } = await start();
    const reader = await read(path, key);
    await eventually(() => reader.events.length === 1);
    const beganAt = performance.now();
    for (let done = 1; done <= 40; done++) {
      await api.store.streams.setProgress(tenantId, id, { done, total: 40, unit: 'recipients' });
    }
    await eventually(() => reader.events.some(({ data }) => data['done'] === 40));
    await append('done', {});
    await reader.ended;
    const progress = reader.events.filter(({ event }) => event === 'progress');
    assert.ok(progress.length >= 2 && progress.every((event) => event.id === undefined));
    // Over the whole time: on a busy machine two may arrive together that left apart.
    const elapsedMs = performance.now() - beganAt;
    assert.ok(progress.length <= elapsedMs / 250 + 2, `${progress.length} in ${elapsedMs} ms`);
  });

  it('ends within a second of the revocation of its key', async () => {
    const { tenantId, path, key: admin } = await start();
    const { id, key } = await api.newKey(tenantId, ['email:read']);
    const reader = await read(path, key);
    await eventually(() => reader.events.length === 1);
    const revokedAt = performance.now();
    await api.call('DELETE', `/v1/api-keys/${id}`, { key: admin });
    await reader.ended;
    assert.ok(performance.now() - revokedAt < 1000, `${performance.now() - revokedAt} ms`);
    assert.deepEqual([reader.events.at(-1)?.event, reader.events.at(-1)?.data], ['end', { reason: 'revoked' }]);
  });

  it('ends when its key expires', async () => {
    const { tenantId, path } = await start();
    const { key } = await api.newKey(tenantId, ['email:read'], new Date(Date.now() + 600));
    const reader = await read(path, key);
    await reader.ended;
    assert.deepEqual(reader.events.at(-1)?.data, { reason: 'expired' });
  });

  it('ends when the server stops', async () => {
    await using other = await startApi();
    const { key } = await other.newTenant();
    const { id } = (await other.call('POST', '/v1/operations', { key, body: START })).body;
    const answer = other.call('GET', `/v1/operations/${id}/stream`, { key });
    const waiting = other.call('POST', '/v1/operations', { key, body: START, headers: { Prefer: 'wait=20' } });
    await eventually(async () => (await other.call('GET', '/v1/operations', { key })).body.data.length === 2);
    other.stop.abort();
    assert.match((await answer).text, /event: end\ndata: \{"reason":"shutdown"\}/);
    assert.equal((await waiting).status, 202);
    assert.equal((await other.call('GET', '/readyz')).status, 503);
  });

  it('holds little for a reader that reads nothing, and sends all once it does', async () => {
    const { tenantId, id, key, path, append } = await start();
    const socket = connect(api.port, '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`);
    await once(socket, 'readable');
    const big = 'x'.repeat(100_000);
    for (let batch = 0; batch < 40; batch++) {
      await api.sql(tenantId, `select append_stream_event($1, $2, 'step', $3, now()) from generate_series(1, 5)`, [
        tenantId,
        id,
        JSON.stringify({ big }),
      ]);
    }
    for (let done = 0; done < 20; done++) await api.store.streams.setProgress(tenantId, id, { done, total: 20, unit: 'recipients' });
    await append('done', {});
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => void (text = (text + chunk.replaceAll('x'.repeat(100), '')).slice(-2_000_000)));
    await eventually(() => text.includes('event: done'), { timeoutMs: 20_000 });
    socket.destroy();
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(ids.at(-1), 202);
    assert.ok(text.split('event: progress').length <= 3);
  });
});
