import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { KINDS, type Kind } from '../../src/contracts/kinds.ts';
import { type Api, MAIL, START, assertProblem, startApi } from './fixture.ts';

const NOTE: Kind = {
  ...(KINDS['email'] as Kind),
  name: 'note',
  feature: 'core',
  scopes: { start: 'notes:write', read: 'notes:read' },
  naturalKey: (input: { subject: string }) => input.subject,
};
const OFF: Kind = { ...(KINDS['email'] as Kind), name: 'off', feature: 'core' };

let api: Api;

before(async () => {
  const kinds = { ...KINDS, note: NOTE, off: { ...OFF, feature: 'reports' as never } };
  api = await startApi({ kinds, temporalUiLink: (workflowId) => `http://ui.test/${workflowId}` });
});
after(() => api[Symbol.asyncDispose]());

const FUTURE = '2030-01-01T00:00:00Z';

async function finish(tenantId: string, id: string): Promise<void> {
  await api.sql(
    tenantId,
    `update operation set status = 'failed', phase = 'failed', finished_at = now(), error = '{"code":"rejected","message":"no","retryable":false}' where id = $1`,
    [id],
  );
  await api.sql(tenantId, `select append_stream_event($1, $2, 'done', '{"status":"failed","phase":"failed"}', now())`, [tenantId, id]);
}

describe('starting work', () => {
  it('answers 202 with the operation and where it is', async () => {
    const { key } = await api.newTenant();
    const body = { ...START, tags: ['welcome'], metadata: { customer: 'c_42' }, priority: 1, expiresAt: FUTURE };
    const answer = await api.call('POST', '/v1/operations', { key, body });
    assert.equal(answer.status, 202);
    const { id } = answer.body;
    assert.equal(answer.headers.get('location'), `/v1/operations/${id}`);
    assert.deepEqual(answer.body.links, {
      self: `/v1/operations/${id}`,
      stream: `/v1/operations/${id}/stream`,
      resource: `/v1/emails/${id}`,
      temporal: answer.body.links.temporal,
    });
    assert.match(answer.body.links.temporal, new RegExp(`^http://ui.test/email:t\\d+:${id}$`));
    const read = await api.call('GET', `/v1/operations/${id}`, { key });
    assert.deepEqual(read.body, answer.body);
    assert.deepEqual([read.body.tags, read.body.metadata, read.body.rootId, read.body.attempt], [['welcome'], { customer: 'c_42' }, id, 1]);
  });

  it('keeps metadata as it came, whatever its names are', async () => {
    const { key } = await api.newTenant();
    const metadata = { ünï: 'ß😀', toString: 'x', 'a/b~c': 1, yes: true };
    assert.deepEqual((await api.call('POST', '/v1/operations', { key, body: { ...START, metadata } })).body.metadata, metadata);
  });

  it('schedules, and refuses what can not be', async () => {
    const { key } = await api.newTenant();
    const ask = (more: object) => api.call('POST', '/v1/operations', { key, body: { ...START, ...more } });
    const scheduled = await ask({ startAt: FUTURE });
    assert.deepEqual([scheduled.body.status, scheduled.body.startAt], ['scheduled', '2030-01-01T00:00:00.000Z']);
    assert.equal((await ask({ startAt: '2020-01-01T00:00:00+02:00' })).body.status, 'accepted');
    for (const more of [
      { startAt: '0000-01-01T00:00:00Z' },
      { startAt: '9999-01-01T00:00:00Z' },
      { expiresAt: '2020-01-01T00:00:00Z' },
      { startAt: FUTURE, expiresAt: '2029-01-01T00:00:00Z' },
    ]) {
      assertProblem(await ask(more), 400, 'invalid_request');
    }
  });

  it('answers a kind that is off', async () => {
    const { key } = await api.newTenant();
    assertProblem(await api.call('POST', '/v1/operations', { key, body: { ...START, kind: 'off' } }), 404, 'feature_off');
  });

  it('answers the first operation for a natural key', async () => {
    const { key } = await api.newTenant();
    const first = await api.call('POST', '/v1/operations', { key, body: { ...START, kind: 'note' } });
    const second = await api.call('POST', '/v1/operations', { key, body: { ...START, kind: 'note' } });
    assert.deepEqual([first.status, second.status, second.body.id], [202, 200, first.body.id]);
  });
});

describe('idempotency', () => {
  it('does a request once, however often and at once it comes', async () => {
    const { key } = await api.newTenant();
    const ask = () => api.call('POST', '/v1/operations', { key, body: START, headers: { 'Idempotency-Key': 'k-1' } });
    const answers = await Promise.all(Array.from({ length: 10 }, ask));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([202]));
    assert.equal(new Set(answers.map((answer) => answer.body.id)).size, 1);
    assert.equal(answers.filter((answer) => answer.headers.get('idempotency-replayed') === null).length, 1);
    assert.equal((await api.call('GET', '/v1/operations', { key })).body.data.length, 1);
  });

  it('answers a repeated request with the present state', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const ask = () => api.call('POST', '/v1/operations', { key, body: START, headers: { 'Idempotency-Key': '"k-1"' } });
    const first = await ask();
    await finish(tenantId, first.body.id);
    const replay = await ask();
    assert.deepEqual([replay.status, replay.body.status, replay.headers.get('idempotency-replayed')], [202, 'failed', 'true']);
  });

  it('takes the key in quotes and bare for the same, and the order of fields for nothing', async () => {
    const { key } = await api.newTenant();
    const one = await api.call('POST', '/v1/operations', {
      key,
      body: { kind: 'email', input: MAIL },
      headers: { 'Idempotency-Key': '"a b"' },
    });
    const two = await api.call('POST', '/v1/operations', {
      key,
      body: { input: { text: MAIL.text, subject: MAIL.subject, to: MAIL.to }, kind: 'email' },
      headers: { 'Idempotency-Key': 'a b' },
    });
    assert.equal(two.body.id, one.body.id);
  });

  it('refuses the key for another body or another route', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const headers = { 'Idempotency-Key': 'k-1' };
    const first = await api.call('POST', '/v1/operations', { key, body: START, headers });
    assertProblem(
      await api.call('POST', '/v1/operations', { key, body: { ...START, tags: ['x'] }, headers }),
      422,
      'idempotency_key_reused',
    );
    await finish(tenantId, first.body.id);
    assertProblem(await api.call('POST', `/v1/operations/${first.body.id}/retry`, { key, headers }), 422, 'idempotency_key_reused');
    assertProblem(
      await api.call('POST', '/v1/api-keys', { key, headers, body: { name: 'x', scopes: ['*'] } }),
      422,
      'idempotency_key_reused',
    );
  });

  it('knows the keys of other tenants not', async () => {
    const [one, two] = [await api.newTenant(), await api.newTenant()];
    const ask = (key: string) => api.call('POST', '/v1/operations', { key, body: START, headers: { 'Idempotency-Key': 'k-1' } });
    assert.notEqual((await ask(one.key)).body.id, (await ask(two.key)).body.id);
  });

  for (const bad of ['', '""', 'x'.repeat(256), '"open']) {
    it(`refuses the key ${bad.slice(0, 10) || '(empty)'}`, async () => {
      const { key } = await api.newTenant();
      assertProblem(
        await api.call('POST', '/v1/operations', { key, body: START, headers: { 'Idempotency-Key': bad } }),
        400,
        'invalid_request',
      );
    });
  }

  it('is not used up by a request that was refused', async () => {
    const { key } = await api.newTenant();
    const headers = { 'Idempotency-Key': 'k-1' };
    assertProblem(await api.call('POST', '/v1/operations', { key, body: { kind: 'email', input: {} }, headers }), 400, 'invalid_request');
    assert.equal((await api.call('POST', '/v1/operations', { key, body: START, headers })).status, 202);
  });
});

describe('Prefer: wait', () => {
  it('answers 200 as soon as the work has ended, for a replay too', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const ask = () =>
      api.call('POST', '/v1/operations', { key, body: START, headers: { Prefer: 'respond-async, wait=20', 'Idempotency-Key': 'k-1' } });
    const waiting = [ask(), ask()];
    const id = await onlyOperation(key);
    await finish(tenantId, id);
    for (const answer of await Promise.all(waiting)) {
      assert.deepEqual([answer.status, answer.body.status, answer.headers.get('preference-applied')], [200, 'failed', 'wait=20']);
    }
    assert.equal((await ask()).status, 200);
  });

  it('answers 202 when the time is over', async () => {
    const { key } = await api.newTenant();
    const answer = await api.call('POST', '/v1/operations', { key, body: START, headers: { Prefer: 'wait=1' } });
    assert.deepEqual([answer.status, answer.headers.get('preference-applied'), answer.headers.get('retry-after')], [202, 'wait=1', '1']);
  });

  it('waits at most 25 s, and ignores what it does not know', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const long = api.call('POST', '/v1/operations', { key, body: START, headers: { Prefer: 'wait=9999' } });
    await finish(tenantId, await onlyOperation(key));
    assert.equal((await long).headers.get('preference-applied'), 'wait=25');
    const odd = await api.call('POST', '/v1/operations', { key, body: START, headers: { Prefer: 'wait=soon' } });
    assert.deepEqual([odd.status, odd.headers.get('preference-applied')], [202, null]);
  });

  async function onlyOperation(key: string): Promise<string> {
    for (;;) {
      const list = await api.call('GET', '/v1/operations', { key });
      if (list.body.data.length > 0) return list.body.data[0].id;
    }
  }
});

describe('looking at operations', () => {
  it('lists newest first, page by page, without a gap', async () => {
    const { key } = await api.newTenant();
    const made: string[] = [];
    for (let i = 0; i < 7; i++) made.unshift((await api.call('POST', '/v1/operations', { key, body: START })).body.id);
    const seen: string[] = [];
    let path = '/v1/operations?limit=3';
    for (;;) {
      const page = await api.call('GET', path, { key });
      seen.push(...page.body.data.map((operation: { id: string }) => operation.id));
      assert.equal(page.body.hasMore, page.body.nextCursor !== null);
      if (!page.body.hasMore) break;
      path = `/v1/operations?limit=3&cursor=${encodeURIComponent(page.body.nextCursor)}`;
    }
    assert.deepEqual(seen, made);
  });

  it('filters by kind, status, tag, text and time', async () => {
    const { key } = await api.newTenant();
    const tagged = (
      await api.call('POST', '/v1/operations', { key, body: { ...START, tags: ['red'], metadata: { customer: '100%_sure' } } })
    ).body;
    const later = (await api.call('POST', '/v1/operations', { key, body: { ...START, startAt: FUTURE } })).body;
    const ids = async (query: string) =>
      (await api.call('GET', `/v1/operations?${query}`, { key })).body.data.map((operation: { id: string }) => operation.id);
    assert.deepEqual(await ids('tag=red'), [tagged.id]);
    assert.deepEqual(await ids('status=scheduled'), [later.id]);
    assert.deepEqual(await ids('text=100%25_SURE'), [tagged.id]);
    assert.deepEqual(await ids(`text=${later.id}`), [later.id]);
    assert.deepEqual(await ids('kind=note'), []);
    assert.deepEqual(await ids('kind=email&createdAfter=2030-01-01T00:00:00Z'), []);
    assert.deepEqual(await ids('createdAfter=2020-01-01T00:00:00%2B02:00&createdBefore=2100-01-01T00:00:00Z'), [later.id, tagged.id]);
  });

  it('shows a key only the kinds that it may read', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const mail = (await api.call('POST', '/v1/operations', { key, body: START })).body.id;
    const note = (await api.call('POST', '/v1/operations', { key, body: { ...START, kind: 'note' } })).body.id;
    const notes = await api.newKey(tenantId, ['notes:read']);
    const both = await api.newKey(tenantId, ['notes:*', 'email:read']);
    const ids = async (reader: string, query = '') =>
      (await api.call('GET', `/v1/operations${query}`, { key: reader })).body.data.map((operation: { id: string }) => operation.id);
    assert.deepEqual(await ids(notes.key), [note]);
    assert.deepEqual(await ids(notes.key, '?kind=email'), []);
    assert.deepEqual(await ids(notes.key, '?kind=email,note'), [note]);
    assert.deepEqual(await ids(both.key), [note, mail]);
    for (const [kind, expected] of [
      ['email,note', [note, mail]],
      ['note,off', [note]],
      ['off,nothing', []],
    ] as const)
      for (const reader of [key, both.key]) assert.deepEqual(await ids(reader, `?kind=${kind}`), expected, kind);
    const page = await api.call('GET', '/v1/operations?kind=note,email&limit=1', { key: both.key });
    assert.deepEqual(await ids(both.key, `?kind=note,email&limit=1&cursor=${page.body.nextCursor}`), [mail]);
    for (const bad of ['', ',', 'email,', 'email, note', "email'"])
      assertProblem(await api.call('GET', `/v1/operations?kind=${encodeURIComponent(bad)}`, { key }), 400, 'invalid_request');
    assertProblem(await api.call('GET', `/v1/operations/${mail}`, { key: notes.key }), 403, 'insufficient_scope');
    assertProblem(await api.call('POST', `/v1/operations/${mail}/cancel`, { key: both.key }), 403, 'insufficient_scope');
    assertProblem(await api.call('POST', '/v1/operations', { key: both.key, body: START }), 403, 'insufficient_scope');
  });

  it('answers 304 while nothing has changed', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const { id } = (await api.call('POST', '/v1/operations', { key, body: START })).body;
    const first = await api.call('GET', `/v1/operations/${id}`, { key });
    assert.equal(first.headers.get('retry-after'), '1');
    const again = () =>
      api.call('GET', `/v1/operations/${id}`, { key, headers: { 'If-None-Match': `"x", W/${first.headers.get('etag')}` } });
    assert.deepEqual([(await again()).status, (await again()).text], [304, '']);
    await finish(tenantId, id);
    const changed = await again();
    assert.deepEqual(
      [changed.status, changed.body.error, changed.headers.get('retry-after')],
      [200, { code: 'rejected', message: 'no', retryable: false }, null],
    );
  });

  it('shows progress, and how long it may take', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const { id } = (await api.call('POST', '/v1/operations', { key, body: START })).body;
    await api.sql(
      tenantId,
      `update operation set status = 'running', started_at = created_at, updated_at = created_at + interval '10 s', progress = '{"done":1,"total":3,"unit":"recipients"}' where id = $1`,
      [id],
    );
    const { progress } = (await api.call('GET', `/v1/operations/${id}`, { key })).body;
    assert.deepEqual(progress, { done: 1, total: 3, unit: 'recipients', percent: 33, secondsLeft: 20 });
  });

  it('shows the timeline', async () => {
    const { id: tenantId, key } = await api.newTenant();
    const { id } = (await api.call('POST', '/v1/operations', { key, body: START })).body;
    await api.store.timeline.write(tenantId, [
      {
        ...{ id, tenantId, operationId: id, runId: 'r', activityId: '1', activity: 'send', attempt: 1 },
        startedAt: new Date(),
        finishedAt: new Date(),
        outcome: 'failed',
        error: { type: 'X', message: 'y' },
      },
    ]);
    const timeline = await api.call('GET', `/v1/operations/${id}/timeline`, { key });
    assert.deepEqual(
      [timeline.body.data.length, timeline.body.data[0].error, timeline.body.hasMore],
      [1, { type: 'X', message: 'y' }, false],
    );
  });

  it('reads events by position', async () => {
    const { id: tenantId, key } = await api.newTenant();
    for (let i = 1; i <= 3; i++) {
      await api.sql(
        tenantId,
        `insert into event (id, tenant_id, type, data, created_at, position) values (gen_random_uuid(), $1, $2, '{}', now(), (select coalesce(max(position), 0) + $3 from event))`,
        [tenantId, i === 2 ? 'b.x' : 'a.x', i],
      );
    }
    const first = await api.call('GET', '/v1/events?limit=2', { key });
    assert.deepEqual([first.body.data.length, first.body.hasMore, first.body.after], [2, true, first.body.data[1].position]);
    const rest = await api.call('GET', `/v1/events?after=${first.body.after}`, { key });
    assert.deepEqual([rest.body.data.length, rest.body.hasMore], [1, false]);
    const none = await api.call('GET', `/v1/events?after=${rest.body.after}`, { key });
    assert.deepEqual(none.body, { data: [], hasMore: false, after: rest.body.after });
    assert.equal((await api.call('GET', '/v1/events?type=b.x', { key })).body.data.length, 1);
    for (const query of ['after=-1', 'after=1e30', 'after=x', 'type=%27'])
      assertProblem(await api.call('GET', `/v1/events?${query}`, { key }), 400, 'invalid_request');
  });
});

describe('asking something of an operation', () => {
  const start = async (more: object = {}) => {
    const { id: tenantId, key } = await api.newTenant();
    const { id } = (await api.call('POST', '/v1/operations', { key, body: { ...START, ...more } })).body;
    const ask = (verb: string, body?: unknown, headers = {}) => api.call('POST', `/v1/operations/${id}/${verb}`, { key, body, headers });
    const run = () => api.sql(tenantId, `update operation set status = 'running', run_id = 'r', started_at = now() where id = $1`, [id]);
    return { tenantId, key, id, ask, run };
  };

  it('cancels at once before it runs, asks later, and not when it has ended', async () => {
    const early = await start();
    const cancelled = await early.ask('cancel', { reason: 'twice' });
    assert.deepEqual([cancelled.status, cancelled.body.status], [200, 'cancelled']);
    const late = await start();
    await late.run();
    const cancelling = await late.ask('cancel');
    assert.deepEqual([cancelling.status, cancelling.body.status], [202, 'cancelling']);
    const ended = await start();
    await finish(ended.tenantId, ended.id);
    assertProblem(await ended.ask('cancel'), 409, 'operation_finished');
    assertProblem(await early.ask('cancel', { why: 'x' }), 400, 'invalid_request');
  });

  it('pauses and resumes', async () => {
    const { ask, run, tenantId, id } = await start();
    assertProblem(await ask('pause'), 409, 'operation_not_started');
    await run();
    assert.deepEqual([(await ask('pause', { reason: 'wait' })).body.paused, (await ask('resume')).body.paused], [true, undefined]);
    const sent = await api.sql(
      tenantId,
      `select name, payload from dispatch where operation_id = $1 and verb = 'signal' order by created_at, id`,
      [id],
    );
    assert.deepEqual(
      sent.map((row) => row['name']),
      ['pause', 'resume'],
    );
    await finish(tenantId, id);
    assertProblem(await ask('pause'), 409, 'operation_finished');
  });

  it('sends signals that its kind knows, in their form', async () => {
    const { ask, run, tenantId, id } = await start();
    await run();
    assert.equal((await ask('signals/retryNow', { reason: 'works again' })).status, 202);
    assertProblem(await ask('signals/retryNow', { reason: 5 }), 400, 'invalid_request');
    assertProblem(await ask('signals/retryNow', { colour: 'red' }), 400, 'invalid_request');
    for (const name of ['nothing', 'pause', 'constructor', '__proto__x'])
      assertProblem(await ask(`signals/${name}`), 404, name === '__proto__x' ? 'not_found' : 'unknown_signal');
    const sent = await api.sql(tenantId, `select payload from dispatch where operation_id = $1 and verb = 'signal'`, [id]);
    assert.equal(sent.length, 1);
  });

  it('moves a start that waits', async () => {
    const { key, id } = await start({ startAt: FUTURE });
    const move = (startAt: string) => api.call('PATCH', `/v1/operations/${id}`, { key, body: { startAt } });
    assert.equal((await move('2029-06-01T00:00:00Z')).body.startAt, '2029-06-01T00:00:00.000Z');
    assertProblem(await move('2999-01-01T00:00:00Z'), 400, 'invalid_request');
    assertProblem(await move('soon'), 400, 'invalid_request');
    const short = await start({ startAt: FUTURE, expiresAt: '2030-01-02T00:00:00Z' });
    const late = await api.call('PATCH', `/v1/operations/${short.id}`, { key: short.key, body: { startAt: '2030-01-02T00:00:00Z' } });
    assertProblem(late, 400, 'invalid_request');
    assert.equal(late.body.errors[0].pointer, '/startAt');
    const now = await start();
    assertProblem(
      await api.call('PATCH', `/v1/operations/${now.id}`, { key: now.key, body: { startAt: FUTURE } }),
      409,
      'operation_not_scheduled',
    );
  });

  it('tries again what did not succeed, once', async () => {
    const { ask, tenantId, id, key } = await start({ tags: ['red'] });
    assertProblem(await ask('retry'), 409, 'operation_not_finished');
    await finish(tenantId, id);
    assertProblem(await ask('retry', { input: { to: 'nobody' } }), 400, 'invalid_request');
    const edited = await ask('retry', { input: { ...MAIL, subject: 'Again' } }, { 'Idempotency-Key': 'r-1' });
    assert.deepEqual(
      [edited.status, edited.body.retryOf, edited.body.rootId, edited.body.attempt, edited.body.tags],
      [202, id, id, 2, ['red']],
    );
    assert.equal(edited.headers.get('location'), `/v1/operations/${edited.body.id}`);
    const replay = await ask('retry', { input: { ...MAIL, subject: 'Again' } }, { 'Idempotency-Key': 'r-1' });
    assert.deepEqual([replay.body.id, replay.headers.get('idempotency-replayed')], [edited.body.id, 'true']);
    assertProblem(await ask('retry'), 409, 'operation_superseded');
    const stored = await api.sql(tenantId, 'select input from operation where id = $1', [edited.body.id]);
    assert.deepEqual(stored[0]?.['input'], { ...MAIL, to: [MAIL.to], subject: 'Again' });
    assert.equal((await api.call('GET', `/v1/operations/${edited.body.id}`, { key })).body.links.resource, `/v1/emails/${id}`);
  });

  it('does not try again what has succeeded', async () => {
    const { ask, tenantId, id } = await start();
    await api.sql(tenantId, `update operation set status = 'succeeded', phase = 'succeeded', finished_at = now() where id = $1`, [id]);
    assertProblem(await ask('retry'), 409, 'operation_succeeded');
  });
});
