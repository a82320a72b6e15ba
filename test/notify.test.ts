// Mails about the end of operations.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Operation } from '../src/contracts/operation.ts';
import { assertProblem, startApi } from './api/fixture.ts';
import { useMailWorld } from './email/world.ts';
import { eventually } from './support/eventually.ts';
import { PROBE_KIND } from './support/probe.ts';

const world = useMailWorld();
const WAIT = { timeoutMs: 20_000 };
const LATER = '2035-01-01T00:00:00Z';
const ACTOR = { actor: 'key:test' };

let count = 0;
/** An address that only this test knows. */
const newAddress = (): string => `ops${(count += 1)}@example.com`;

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
});

/** The mails about one operation, as the API lists them. */
async function notices(operationId: string): Promise<Operation[]> {
  const { body } = await world.call('GET', `/v1/operations?tag=notify&text=notify:${operationId}:`);
  return body.data as Operation[]; // what the route answers
}

/** Waits until all mails about an operation have ended, and returns them. */
function noticesEnded(operationId: string, howMany: number): Promise<Operation[]> {
  return eventually(async () => {
    const found = await notices(operationId);
    assert.equal(found.length, howMany);
    assert.ok(found.every(({ finishedAt }) => finishedAt !== undefined));
    return found;
  }, WAIT);
}

/** What arrived at an address, its lines joined again. */
const arrivedAt = (address: string): string[] =>
  world
    .server()
    .accepted.filter(({ recipient }) => recipient === address)
    .map(({ source }) => source.replaceAll('=\r\n', ''));

async function putUser(id: string, content: object): Promise<void> {
  const { status, text } = await world.call('PUT', `/v1/users/${id}`, content);
  assert.ok(status < 300, text);
}

/** Accepts a probe that notifies the address; starts no workflow but what the core starts. */
async function acceptProbe(email: string, more: object = {}): Promise<string> {
  const accepted = await world.core().deps.store.operations.accept({
    ...{ tenantId: world.tenantId(), kind: PROBE_KIND, input: { steps: [] }, actor: ACTOR, now: new Date() },
    start: { notify: [{ email }], ...more },
  });
  assert.ok(accepted.outcome === 'created');
  return accepted.operation.id;
}

describe('the end of an operation is told', () => {
  test('to an address and to a user in their language, once each, with nothing of the input', async () => {
    const [ops, person] = [newAddress(), newAddress()];
    await putUser('u_1', { email: person, locale: 'de-AT' });
    const { id } = await world.send({ to: 'ada@example.com', subject: 'Sesame', notify: [{ email: ops }, { userId: 'u_1' }] });
    const ended = await noticesEnded(id, 2);
    assert.ok(ended.every(({ status }) => status === 'succeeded'));
    const [[toOps = '', ...more], [toPerson = '', ...others]] = [arrivedAt(ops), arrivedAt(person)];
    assert.deepEqual([more, others], [[], []]);
    assert.match(toOps, /^Subject: Your email is done\r$/m);
    assert.ok(toOps.includes(`/v1/operations/${id}`));
    assert.match(toPerson, /^Subject: Ihr Vorgang email ist fertig\r$/m);
    for (const source of [toOps, toPerson]) assert.doesNotMatch(source, /Sesame|ada@example\.com|It works/);
    const { body } = await world.call('GET', `/v1/emails/${ended[0]?.id}`);
    assert.equal(body.template, 'operation-ended');
  });

  test('when it failed, with the reason; and of a retry too, which notifies whom its first attempt did', async () => {
    const ops = newAddress();
    world.plan([{ at: 'rcpt', act: 550 }]);
    const { id } = await world.send({ to: 'ada@example.com', notify: [{ email: ops }] });
    await noticesEnded(id, 1);
    assert.match(arrivedAt(ops)[0] ?? '', /^Subject: Your email has failed\r$/m);
    assert.match(arrivedAt(ops)[0] ?? '', /Reason: rejected\. Recipients refused by the mail server: 1\./);
    const { body: retried } = await world.call('POST', `/v1/operations/${id}/retry`, {});
    await noticesEnded(retried.id, 1);
    assert.equal(arrivedAt(ops).length, 2);
    assert.match(arrivedAt(ops)[1] ?? '', /^Subject: Your email is done\r$/m);
  });

  test('when it was cancelled before it began', async () => {
    const ops = newAddress();
    const { id } = await world.send({ to: 'ada@example.com', startAt: LATER, notify: [{ email: ops }] });
    assert.deepEqual(await notices(id), []);
    await world.call('POST', `/v1/operations/${id}/cancel`, { reason: 'not today' });
    await noticesEnded(id, 1);
    assert.match(arrivedAt(ops)[0] ?? '', /^Subject: Your email was cancelled\r$/m);
    assert.doesNotMatch(arrivedAt(ops)[0] ?? '', /not today/);
  });

  test('when it was cancelled under way', async () => {
    const ops = newAddress();
    world.always({ at: 'rcpt', act: 451 });
    const { id } = await world.send({ to: 'ada@example.com', notify: [{ email: ops }] });
    await world.shows(id, 'put_off');
    await world.call('POST', `/v1/operations/${id}/cancel`, {});
    await world.reaches(id, 'cancelled');
    world.always(undefined);
    await noticesEnded(id, 1);
    assert.match(arrivedAt(ops)[0] ?? '', /^Subject: Your email was cancelled\r$/m);
  });

  test('when it expired', async () => {
    const ops = newAddress();
    const id = await acceptProbe(ops, { expiresAt: new Date(Date.now() - 1) });
    await noticesEnded(id, 1);
    assert.match(arrivedAt(ops)[0] ?? '', /^Subject: Your probe has expired\r$/m);
  });

  test('when an operator terminated its workflow and the sweep found it', async () => {
    const ops = newAddress();
    world.always({ at: 'rcpt', act: 451 });
    const { id } = await world.send({ to: 'ada@example.com', notify: [{ email: ops }] });
    await world.shows(id, 'put_off');
    const row = await world.core().deps.store.operations.get(world.tenantId(), id);
    await world
      .core()
      .serving.temporal.client.workflow.getHandle(row?.workflow_id ?? '')
      .terminate();
    await world.reaches(id, 'failed');
    world.always(undefined);
    await noticesEnded(id, 1);
    assert.match(arrivedAt(ops)[0] ?? '', /Reason: terminated\./);
  });
});

describe('one mail', () => {
  test('however often the end is written, also after the operation was opened again', async () => {
    const ops = newAddress();
    const id = await acceptProbe(ops);
    const { lifecycle, operations } = world.core().deps.store;
    const tenantId = world.tenantId();
    await noticesEnded(id, 1);
    const row = await operations.get(tenantId, id);
    const run = { tenantId, operationId: id, rootId: id, kind: 'probe', attempt: 1, nowMs: Date.now() };
    for (const runId of [row?.run_id ?? '', 'another', 'a third']) {
      const closed = await lifecycle.close({ run: { ...run, runId }, outcome: { status: 'succeeded', result: { steps: 0 } } });
      assert.ok(closed.closed);
    }
    await noticesEnded(id, 1);
    assert.equal(arrivedAt(ops).length, 1);
  });

  test('that can be retried like any other, and tells nobody of its own end', async () => {
    const ops = newAddress();
    world.plan([undefined, { at: 'rcpt', act: 550 }]);
    const { id } = await world.send({ to: 'ada@example.com', notify: [{ email: ops }] });
    const [notice] = await noticesEnded(id, 1);
    assert.equal(notice?.status, 'failed');
    const { body: retried } = await world.call('POST', `/v1/operations/${notice.id}/retry`, {});
    await world.reaches(retried.id, 'succeeded');
    assert.equal(arrivedAt(ops).length, 1);
    assert.deepEqual(await notices(notice.id), []);
  });

  test('none to somebody who gets no mail, and none to a user who has left: the audit says so', async () => {
    const [refusing, leaving] = [newAddress(), newAddress()];
    await world.call('POST', '/v1/suppressions', { address: refusing });
    await putUser('u_leaving', { email: leaving });
    const { id } = await world.send({ to: 'ada@example.com', startAt: LATER, notify: [{ email: refusing }, { userId: 'u_leaving' }] });
    await world.call('DELETE', '/v1/users/u_leaving');
    await world.call('POST', `/v1/operations/${id}/cancel`, {});
    const [notice] = await noticesEnded(id, 1);
    assert.deepEqual([notice?.status, notice?.error?.code], ['failed', 'suppressed']);
    assert.deepEqual([arrivedAt(refusing), arrivedAt(leaving)], [[], []]);
    const skipped = await world.sql(
      `select subject, details from audit_entry where operation_id = $1 and action = 'operation.notify.skipped'`,
      [id],
    );
    assert.deepEqual(skipped, [{ subject: 'u_leaving', details: { reason: 'no_address' } }]);
  });
});

describe('what can not be told', () => {
  const BAD: readonly (readonly [what: string, notify: unknown, pointer: string])[] = [
    ['no list', { email: 'ops@example.com' }, '/notify'],
    ['nobody', [{}], '/notify/0'],
    ['two in one', [{ email: 'ops@example.com', userId: 'u_known' }], '/notify/0'],
    ['no address', [{ email: 'ops' }], '/notify/0/email'],
    ['two addresses', [{ email: 'a@example.com, b@example.com' }], '/notify/0/email'],
    ['another header', [{ email: 'ops@example.com\r\nBcc: eve@example.com' }], '/notify/0/email'],
    ['an endpoint', [{ endpointId: 'e_1' }], '/notify/0/endpointId'],
    ['a user who does not exist', [{ email: 'ops@example.com' }, { userId: 'u_nobody' }], '/notify/1/userId'],
    ['a user without an address', [{ userId: 'u_silent' }], '/notify/0/userId'],
    ['too many', Array.from({ length: 11 }, () => ({ email: 'ops@example.com' })), '/notify'],
  ];

  for (const [what, notify, pointer] of BAD)
    test(`${what} is refused on every route, and nothing is stored`, async () => {
      await putUser('u_silent', {});
      await putUser('u_known', { email: 'known@example.com' });
      const mail = { to: 'ada@example.com', subject: 'Hello', text: 'It works.' };
      const before = await world.sql('select count(*)::integer as count from operation');
      for (const [path, body] of [
        ['/v1/emails', { ...mail, notify }],
        ['/v1/operations', { kind: 'email', input: mail, notify }],
      ] as const) {
        const answer = await world.call('POST', path, body);
        assert.equal(answer.status, 400, answer.text);
        assert.equal(answer.body.errors[0].pointer, pointer, answer.text);
      }
      assert.deepEqual(await world.sql('select count(*)::integer as count from operation'), before);
    });

  test('another tenant’s user is no user', async () => {
    await putUser('u_ours', { email: 'ours@example.com' });
    const stranger = await world.newTenant();
    const answer = await stranger('POST', '/v1/emails', { to: 'a@example.com', subject: 'x', text: 'x', notify: [{ userId: 'u_ours' }] });
    assert.deepEqual([answer.status, answer.body.errors[0].pointer], [400, '/notify/0/userId']);
  });
});

test('a token notifies its own subject, and others only with the right to send mail', async () => {
  await using api = await startApi({}, world.core().ground);
  const { id: tenantId, key } = await api.newTenant();
  for (const [user, email] of [
    ['u_1', 'one@example.com'],
    ['u_2', 'two@example.com'],
  ])
    await api.call('PUT', `/v1/users/${user}`, { key, body: { email } });
  const ask = async (scopes: readonly string[], target: object) => {
    const token = await api.newToken(tenantId, { subject: 'u_1', scopes });
    const body = { kind: 'email', input: { to: 'a@example.com', subject: 'x', text: 'x' }, startAt: LATER, notify: [target] };
    return api.call('POST', '/v1/operations', { key: token.key, body });
  };
  const narrow = ['operations:write'];
  assert.equal((await ask(narrow, { userId: 'u_1' })).status, 202);
  for (const target of [{ userId: 'u_2' }, { userId: 'u_nobody' }, { email: 'ops@example.com' }])
    assertProblem(await ask(narrow, target), 403, 'insufficient_scope');
  assert.equal((await ask([...narrow, 'email:write'], { email: 'ops@example.com' })).status, 202);
});

test('where mail is switched off, nobody can be notified, and work without it is taken', async () => {
  const note = { ...PROBE_KIND, scopes: { start: 'probes:write', read: 'probes:read' } };
  await using api = await startApi({ features: [], kinds: { probe: note } }, world.core().ground);
  const { key } = await api.newTenant();
  const body = { kind: 'probe', input: { steps: [] }, startAt: LATER };
  assert.equal((await api.call('POST', '/v1/operations', { key, body })).status, 202);
  const answer = await api.call('POST', '/v1/operations', { key, body: { ...body, notify: [{ email: 'ops@example.com' }] } });
  assertProblem(answer, 404, 'feature_off');
  assert.equal(answer.body.errors[0].pointer, '/notify');
});
