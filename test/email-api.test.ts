import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Api, assertProblem, MAIL, startApi } from './api/fixture.ts';
import { type LiveMail, startLiveMail } from './email/live.ts';
import type { Core } from './support/core.ts';

let live: LiveMail;
let api: Api;
let key: string;
let tenantId: string;
let core: Core;

before(async () => {
  live = await startLiveMail();
  ({ api, key, tenantId, core } = live);
});
after(() => live[Symbol.asyncDispose]());

function post(body: unknown, headers: Readonly<Record<string, string>> = {}, as = key) {
  return api.call('POST', '/v1/emails', { key: as, body, headers });
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `r${index}@example.com`);
}

const BAD_BODIES: readonly { readonly what: string; readonly body: object; readonly pointer: string }[] = [
  { what: 'no recipient', body: { ...MAIL, to: undefined }, pointer: '/to' },
  { what: 'an empty list of recipients', body: { ...MAIL, to: [] }, pointer: '/to' },
  { what: 'an address without @', body: { ...MAIL, to: 'ada' }, pointer: '/to' },
  { what: 'a bad address in a list', body: { ...MAIL, to: ['ada@example.com', 'bob@'] }, pointer: '/to/1' },
  { what: 'two addresses in one', body: { ...MAIL, to: 'ada@example.com, bob@example.com' }, pointer: '/to' },
  { what: 'two addresses in brackets', body: { ...MAIL, to: 'Ada <ada@example.com> <bob@example.com>' }, pointer: '/to' },
  { what: 'a group', body: { ...MAIL, to: 'all: ada@example.com <bob@example.com>' }, pointer: '/to' },
  { what: 'a name whose quote is not closed', body: { ...MAIL, to: '"Ada <ada@example.com>' }, pointer: '/to' },
  { what: 'a line break in an address', body: { ...MAIL, to: 'ada@example.com\r\nBcc: eve@example.com' }, pointer: '/to' },
  { what: 'a line break in a name', body: { ...MAIL, cc: ['Ada\n <ada@example.com>'] }, pointer: '/cc/0' },
  { what: 'a line break in replyTo', body: { ...MAIL, replyTo: 'ada@example.com\nBcc: eve@example.com' }, pointer: '/replyTo' },
  { what: 'a line break in the subject', body: { ...MAIL, subject: 'Hello\r\nBcc: eve@example.com' }, pointer: '/subject' },
  { what: 'no subject', body: { ...MAIL, subject: undefined }, pointer: '/subject' },
  { what: 'an empty subject', body: { ...MAIL, subject: '' }, pointer: '/subject' },
  { what: 'a subject over 998 characters', body: { ...MAIL, subject: 'x'.repeat(999) }, pointer: '/subject' },
  { what: 'neither text nor html', body: { ...MAIL, text: undefined }, pointer: '/text' },
  { what: '51 recipients in one list', body: { ...MAIL, to: addresses(51) }, pointer: '/to' },
  { what: '51 recipients over all lists', body: { ...MAIL, to: addresses(50), bcc: 'one@example.org' }, pointer: '/to' },
  { what: 'an unknown field', body: { ...MAIL, form: 'me@example.com' }, pointer: '/form' },
  { what: 'a number as text', body: { ...MAIL, text: 42 }, pointer: '/text' },
  { what: 'a bad instant', body: { ...MAIL, startAt: 'tomorrow' }, pointer: '/startAt' },
  { what: 'an end before the start', body: { ...MAIL, expiresAt: '2020-01-01T00:00:00Z' }, pointer: '/expiresAt' },
  { what: 'a priority that there is not', body: { ...MAIL, priority: 9 }, pointer: '/priority' },
];

describe('a mail that can not be sent', () => {
  for (const { what, body, pointer } of BAD_BODIES) {
    test(`${what}: names ${pointer}`, async () => {
      const answer = await post(body);
      assertProblem(answer, 400, 'invalid_request');
      assert.ok(
        answer.body.errors.some((error: { pointer: string }) => error.pointer === pointer),
        answer.text,
      );
    });
  }

  test('a body over the limit is refused, and so is a text over 500,000 characters', async () => {
    assertProblem(await post({ ...MAIL, html: 'x'.repeat(200_000) }), 413, 'payload_too_large');
    const wide = await startApi({ store: core.deps.store, http: { ...api.context.http, bodyLimitBytes: 1_000_000 } });
    try {
      const tooLong = await wide.call('POST', '/v1/emails', { key, body: { ...MAIL, html: 'x'.repeat(500_001) } });
      assertProblem(tooLong, 400, 'invalid_request');
      assert.equal(tooLong.body.errors[0].pointer, '/html');
    } finally {
      await wide[Symbol.asyncDispose]();
    }
  });

  test('leaves nothing behind', async () => {
    const rows = await api.sql(tenantId, 'select id from operation');
    assert.deepEqual(rows, []);
  });
});

describe('sending a mail', () => {
  test('answers at once, or with the end when the client waits', async () => {
    const accepted = await post(MAIL);
    assert.deepEqual([accepted.status, accepted.body.status], [202, 'accepted']);
    assert.equal(accepted.headers.get('location'), `/v1/operations/${accepted.body.id}`);
    const ended = await post(MAIL, { Prefer: 'wait=10' });
    assert.deepEqual([ended.status, ended.body.status], [200, 'succeeded'], ended.text);
    assert.equal(ended.headers.get('preference-applied'), 'wait=10');
  });

  test('twice to the same address is once, whatever its case', async () => {
    const { body } = await post(
      { ...MAIL, to: ['ada@example.com', 'Ada <ADA@example.com>'], cc: 'ada@example.com' },
      { Prefer: 'wait=10' },
    );
    assert.equal(body.result.sent, 1);
  });

  test('with the same key gives the first operation, with another body it is refused', async () => {
    const headers = { 'Idempotency-Key': 'order-42' };
    const first = await post(MAIL, headers);
    const again = await post(MAIL, headers);
    assert.deepEqual([again.status, again.body.id], [202, first.body.id]);
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assertProblem(await post({ ...MAIL, subject: 'Other' }, headers), 422, 'idempotency_key_reused');
    const stranger = await api.newTenant();
    assert.notEqual((await post(MAIL, headers, stranger.key)).body.id, first.body.id);
  });

  test('needs the scope, and looking needs the other', async () => {
    const { key: writer } = await api.newKey(tenantId, ['email:write']);
    const { key: reader } = await api.newKey(tenantId, ['email:read']);
    const { key: neither } = await api.newKey(tenantId, ['users:read']);
    const { status, body } = await post(MAIL, {}, writer);
    assert.equal(status, 202);
    assertProblem(await post(MAIL, {}, reader), 403, 'insufficient_scope');
    assertProblem(await post(MAIL, {}, neither), 403, 'insufficient_scope');
    assertProblem(await api.call('GET', `/v1/emails/${body.id}`, { key: neither }), 403, 'insufficient_scope');
    assert.equal((await api.call('GET', `/v1/emails/${body.id}`, { key: reader })).status, 200);
    assertProblem(await api.call('POST', '/v1/emails', { body: MAIL }), 401, 'unauthenticated');
  });
});

describe('looking at a mail', () => {
  test('shows every recipient with role, state and the last answer of the mail server', async () => {
    const mail = { ...MAIL, to: 'Ada <ada@example.com>', cc: ['bob@example.com'], bcc: 'eve@example.com' };
    const { body: operation } = await post(mail, { Prefer: 'wait=10' });
    const { status, body } = await api.call('GET', `/v1/emails/${operation.id}`, { key });
    assert.equal(status, 200);
    assert.deepEqual(
      [body.object, body.id, body.operationId, body.status, body.subject],
      ['email', operation.id, operation.id, 'succeeded', 'Hello'],
    );
    assert.equal(body.messageId, operation.result.messageId);
    assert.deepEqual(
      body.recipients.map(({ updatedAt: _updatedAt, ...rest }: { updatedAt: string }) => rest),
      [
        { address: 'ada@example.com', role: 'to', state: 'sent', smtpCode: 250 },
        { address: 'bob@example.com', role: 'cc', state: 'sent', smtpCode: 250 },
        { address: 'eve@example.com', role: 'bcc', state: 'sent', smtpCode: 250 },
      ],
    );
    assert.equal(operation.links.resource, `/v1/emails/${operation.id}`);
  });

  test('of another tenant, of nobody, or by something that is no id', async () => {
    const { body } = await post(MAIL);
    const stranger = await api.newTenant();
    assertProblem(await api.call('GET', `/v1/emails/${body.id}`, { key: stranger.key }), 404, 'not_found');
    assertProblem(await api.call('GET', '/v1/emails/019ab6a0-7c00-7000-8000-000000000001', { key }), 404, 'not_found');
    assertProblem(await api.call('GET', '/v1/emails/latest', { key }), 404, 'not_found');
  });
});
