import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type Api, assertProblem, MAIL } from './api/fixture.ts';
import { type LiveMail, startLiveMail } from './email/live.ts';
import type { Core } from './support/core.ts';
import { eventually } from './support/eventually.ts';
import type { SmtpScriptServer } from './support/smtp-script.ts';

const LIMIT_BYTES = 5_000_000;
const HELLO = Buffer.from('Hello, file.').toString('base64');

let live: LiveMail;
let api: Api;
let key: string;
let tenantId: string;
let core: Core;
let server: SmtpScriptServer;

before(async () => {
  const http = { publicUrl: 'http://nightshift.test', corsOrigins: [], bodyLimitBytes: 8 * 1024 * 1024, rateLimitPerMinute: 1_000_000 };
  live = await startLiveMail({ http });
  ({ api, key, tenantId, core, server } = live);
});
after(() => live[Symbol.asyncDispose]());

function file(content: string, more: object = {}): object {
  return { filename: 'a.txt', contentType: 'text/plain', content, ...more };
}

async function sent(body: object): Promise<{ readonly id: string; readonly source: string }> {
  const answer = await api.call('POST', '/v1/emails', { key, body: { ...MAIL, ...body }, headers: { Prefer: 'wait=20' } });
  assert.deepEqual([answer.status, answer.body.status], [200, 'succeeded'], answer.text);
  const source = await eventually(async () => {
    const mail = server.accepted.find(({ messageId }) => messageId.includes(answer.body.id));
    assert.ok(mail !== undefined);
    return mail.source;
  });
  return { id: answer.body.id, source };
}

describe('attachments', () => {
  test('arrive as they were sent, under their names', async () => {
    const bytes = randomBytes(10_000);
    const { id, source } = await sent({
      attachments: [
        file(bytes.toString('base64'), { filename: 'Größe "1".pdf', contentType: 'application/pdf' }),
        file(HELLO, { filename: 'b.txt' }),
      ],
    });
    assert.ok(source.replaceAll('\r\n', '').includes(bytes.toString('base64')));
    assert.match(source, /Content-Type: application\/pdf/);
    assert.match(source, /Content-Disposition: attachment; filename=b\.txt/);
    const { body } = await api.call('GET', `/v1/emails/${id}`, { key });
    assert.deepEqual(body.attachments, [
      { filename: 'Größe "1".pdf', contentType: 'application/pdf', sizeBytes: 10_000 },
      { filename: 'b.txt', contentType: 'text/plain', sizeBytes: 12 },
    ]);
  });

  test('of 5 MB arrive, are stored once, and are not in what lists show', async () => {
    const bytes = randomBytes(LIMIT_BYTES);
    const content = bytes.toString('base64');
    const attachments = [file(content, { contentType: 'application/octet-stream' })];
    const { id, source } = await sent({ attachments });
    await sent({ attachments, subject: 'Again' });
    assert.ok(source.length > content.length);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const rows = await api.sql(tenantId, 'select octet_length(content) as size from email_attachment where sha256 = $1', [hash]);
    assert.deepEqual(rows, [{ size: LIMIT_BYTES }]);
    const [operation] = await api.sql(tenantId, 'select octet_length(input::text) as size from operation where id = $1', [id]);
    assert.ok(Number(operation?.['size']) < 1000);
  });

  test('are not in the workflow', async () => {
    const { id } = await sent({ attachments: [file(HELLO, { filename: 'secret-name.txt' })] });
    const { client } = core.serving.temporal;
    const history = await client.workflow.getHandle(`email:${tenantId}:${id}`).fetchHistory();
    const text = Buffer.from(JSON.stringify(history)).toString();
    assert.ok(!text.includes('secret-name') && !text.includes(HELLO));
  });

  const half = 'A'.repeat(4 * Math.ceil((LIMIT_BYTES / 2 + 3) / 3));
  const BAD: readonly (readonly [string, unknown, string])[] = [
    ['no list', file(HELLO), '/attachments'],
    ['none', [], '/attachments'],
    ['21', Array.from({ length: 21 }, () => file(HELLO)), '/attachments'],
    ['what is not base64', [file('Hello, file.')], '/attachments/0/content'],
    ['base64 without its padding', [file('SGVsbG8')], '/attachments/0/content'],
    ['nothing', [file('')], '/attachments/0/content'],
    ['a path as name', [file(HELLO, { filename: '../../etc/passwd' })], '/attachments/0/filename'],
    ['a header in the name', [file(HELLO, { filename: 'a\r\nBcc: eve@example.com' })], '/attachments/0/filename'],
    ['a name that reads backwards', [file(HELLO, { filename: 'a\u202Efdp.exe' })], '/attachments/0/filename'],
    ['a header in the type', [file(HELLO, { contentType: 'text/plain\r\nX: y' })], '/attachments/0/contentType'],
    ['a path on our disk', [{ filename: 'a', contentType: 'text/plain', path: '/etc/passwd' }], '/attachments/0/content'],
  ];
  for (const [what, attachments, pointer] of BAD) {
    test(`${what}: names ${pointer}`, async () => {
      const answer = await api.call('POST', '/v1/emails', { key, body: { ...MAIL, attachments } });
      assertProblem(answer, 400, 'invalid_request');
      assert.ok(
        answer.body.errors.some((error: { pointer: string }) => error.pointer === pointer),
        answer.text,
      );
    });
  }

  test('over 5 MB in all: too large, naming the field, and nothing is stored', async () => {
    const other = await api.newTenant();
    const body = { ...MAIL, attachments: [file(half), file(half)] };
    const answer = await api.call('POST', '/v1/emails', { key: other.key, body });
    assertProblem(answer, 413, 'payload_too_large');
    assert.equal(answer.body.errors[0].pointer, '/attachments');
    const general = await api.call('POST', '/v1/operations', { key: other.key, body: { kind: 'email', input: body } });
    assert.equal(general.body.errors[0].pointer, '/input/attachments');
    assert.deepEqual(await api.sql(other.id, 'select id::text from operation union all select sha256 from email_attachment'), []);
  });
});
