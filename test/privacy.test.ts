// Strings planted in everything that the API takes, and looked for where nothing personal may be.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from './support/eventually.ts';
import { type Product, type ProductAnswer, startProduct } from './support/product.ts';
import { historySinks, logSinks, metricSinks, type Sink } from './support/sinks.ts';

const WAIT = { timeoutMs: 60_000, intervalMs: 100 };
const LATER = '2035-01-01T00:00:00Z';
const OPEN = new Set(['accepted', 'running', 'cancelling']);

/** What was planted, and where. */
const planted = new Map<string, string>();
const problems: Sink[] = [];
const started: string[] = [];
let product: Product;

/** A word that is nowhere else. */
function plant(where: string): string {
  const word = `planted${randomBytes(6).toString('hex')}`;
  planted.set(word, where);
  return word;
}

const addressOf = (where: string, domain = 'example.com'): string => `${plant(where)}@${domain}`;

interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered extends ProductAnswer {
  readonly text: string;
}

async function ask(method: string, path: string, { body, headers = {} }: Asked = {}): Promise<Answered> {
  const response = await fetch(`${product.endpoints['api']}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${product.apiKey}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const { status } = response;
  if (status >= 400) problems.push({ name: `problem of ${method} ${path.split('?')[0]}`, text });
  return { status, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
}

/** A call that is taken. */
async function must(method: string, path: string, asked?: Asked): Promise<Answered> {
  const answer = await ask(method, path, asked);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer;
}

/** A call that is refused. */
async function refused(method: string, path: string, asked?: Asked): Promise<void> {
  const { status } = await ask(method, path, asked);
  assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`);
}

async function start(mail: object, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const { body } = await must('POST', '/v1/emails', { body: { subject: plant('subject'), text: plant('text'), ...mail }, headers });
  started.push(body.id);
  return body.id;
}

function reaches(id: string, holds: (operation: ProductAnswer['body']) => boolean): Promise<void> {
  return eventually(async () => {
    const { body } = await product.call('GET', `/v1/operations/${id}`);
    assert.ok(holds(body), `${body.status} ${body.phase}`);
    return true;
  }, WAIT).then(() => undefined);
}

const ends = (id: string): Promise<void> => reaches(id, ({ status }) => !OPEN.has(status) && status !== 'waiting');
const isPutOff = ({ phase }: ProductAnswer['body']): boolean => phase === 'put_off';

async function sendMails(): Promise<void> {
  await must('PUT', '/v1/users/u_1', {
    body: { email: addressOf('user email'), attributes: { [plant('name of an attribute')]: plant('attribute') } },
  });
  const whole = {
    to: [`"Ada ${plant('display name')}" <${addressOf('to')}>`, addressOf('second to')],
    cc: addressOf('cc'),
    bcc: [addressOf('bcc')],
    replyTo: addressOf('replyTo'),
    html: `<p>${plant('html')}</p>`,
    attachments: [{ filename: `${plant('file name')}.txt`, contentType: 'text/plain', content: 'SGVsbG8=' }],
    tags: [plant('tag')],
    metadata: { [plant('name in metadata')]: plant('metadata') },
    notify: [{ email: addressOf('notify') }, { userId: 'u_1' }],
  };
  await start(whole, { 'Idempotency-Key': plant('idempotency key') });
  const welcome = {
    to: addressOf('to of a template'),
    template: 'welcome',
    data: { name: plant('data: name'), product: plant('data: product'), startUrl: `https://${plant('data: url')}.example.com/` },
  };
  await must('POST', '/v1/emails', { body: welcome });
  const generic = { to: addressOf('generic to'), subject: plant('generic subject'), text: plant('generic text') };
  await must('POST', '/v1/operations', { body: { kind: 'email', input: generic } });
  await must('POST', '/v1/email-templates/welcome/preview', { body: { data: { ...welcome.data, name: plant('preview') } } });
  const suppressed = addressOf('suppressed');
  await must('POST', '/v1/suppressions', { body: { address: suppressed } });
  await must('GET', `/v1/suppressions?address=${suppressed}`);
  await start({ to: suppressed, category: 'bulk', html: `<a href="{{unsubscribeUrl}}">${plant('bulk html')}</a>` });
}

async function failCancelRetry(): Promise<void> {
  const failed = await start({ to: [addressOf('refused', 'refused.example'), addressOf('not refused')] });
  await ends(failed);
  await must('POST', `/v1/operations/${failed}/retry`, {
    body: { input: { to: addressOf('edited to'), subject: plant('edited subject'), text: plant('edited text') } },
  });
  const later = await start({ to: addressOf('put off', 'later.example'), notify: [{ email: addressOf('notify of a cancel') }] });
  await reaches(later, isPutOff);
  for (const [verb, where] of [
    ['pause', 'reason of a pause'],
    ['resume', 'reason of a resume'],
    ['signals/retryNow', 'reason of a signal'],
    ['cancel', 'reason of a cancel'],
  ] as const)
    await must('POST', `/v1/operations/${later}/${verb}`, { body: { reason: plant(where) } });
  const scheduled = await start({ to: addressOf('scheduled'), startAt: LATER });
  await must('POST', `/v1/operations/${scheduled}/cancel`, { body: { reason: plant('reason of an early cancel') } });
  await must('GET', `/v1/operations?text=${plant('text of a search')}&tag=${plant('tag of a search')}`);
}

/** A table without a header: its first line is somebody's. */
async function sendFiles(): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const line = (where: string): string => `${plant(`${where}: name`)},${addressOf(`${where}: address`)},7`;
  const table = `${line('first line of a table')}\n${line('cells')}\n${line('cells')}\n${plant('rejected cell')}\n`;
  const metadata = [
    `filename ${base64(`${plant('name of an upload')}.csv`)}`,
    `${plant('name in upload metadata')} ${base64(plant('upload metadata'))}`,
    `start ${base64(JSON.stringify({ metadata: { note: plant('metadata of an upload') }, tags: [plant('tag of an upload')] }))}`,
  ].join(',');
  await must('POST', '/v1/uploads', {
    body: table,
    headers: {
      ...{ 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' },
      ...{ 'Upload-Length': String(Buffer.byteLength(table)), 'Upload-Metadata': metadata },
    },
  });
  const fileId = await eventually(async () => {
    const [file] = (await product.call('GET', '/v1/files?limit=1')).body.data;
    assert.equal(file?.state, 'ready');
    return file.id as string;
  }, WAIT);
  const { body } = await must('POST', `/v1/files/${fileId}/transforms`, {
    body: { name: `${plant('name of a new file')}.parquet`, profile: true },
  });
  started.push(body.id);
  await ends(body.id);
  const ended = (await product.call('GET', `/v1/operations/${body.id}`)).body;
  assert.equal(ended.status, 'succeeded');
  assert.deepEqual(ended.result.columns.length, 3);
  assert.ok(planted.has(ended.result.columns[0].name), 'the first line of the table was no header');
  const harmful = `/v1/files?name=${plant('name of a harmful file')}.png`;
  await must('POST', harmful, { body: `MZ ${plant('harmful file')}`, headers: { 'Content-Type': 'image/png', Prefer: 'wait=25' } });
  await refused('POST', `/v1/files?name=${plant('name with a slash')}%2Fa.txt`, {
    body: plant('refused file'),
    headers: { 'Content-Type': 'text/plain' },
  });
  await must('POST', `/v1/files/${fileId}/links`, { body: {} });
  await must('DELETE', `/v1/files/${fileId}`);
}

async function beRefused(): Promise<void> {
  const mail = { to: addressOf('to of a bad mail'), subject: plant('subject of a bad mail'), text: plant('text of a bad mail') };
  for (const bad of [
    { to: `${plant('bad address')} at example.com` },
    { to: [...Array.from({ length: 51 }, (_, index) => `${index}${addressOf('too many')}`)] },
    { subject: `${plant('two lines')}\r\nBcc: ${addressOf('smuggled')}` },
    { template: 'welcome', subject: undefined, text: undefined, data: { name: [plant('data of the wrong sort')] } },
    { notify: [{ userId: plant('unknown user') }] },
    { notify: [{ email: `${plant('bad notify')}@` }] },
    { startAt: plant('bad instant') },
    { category: plant('unknown category') },
    { metadata: { key: { nested: plant('nested metadata') } } },
    { text: plant('long').repeat(200_000) },
  ])
    await refused('POST', '/v1/emails', { body: { ...mail, ...bad } });
  await refused('GET', `/v1/users/${encodeURIComponent(addressOf('address as a user id'))}`);
  await refused('POST', '/v1/emails', { body: `{ "to": "${plant('broken JSON')}` });
  await refused('GET', `/v1/operations/${plant('no id')}`);
  await refused('GET', `/v1/${plant('no route')}`);
  await refused('GET', `/unsubscribe/${plant('no token')}`);
  await refused('GET', '/v1/operations', { headers: { Authorization: `Bearer ns_${plant('no key')}` } });
  await refused('GET', '/v1/operations', { headers: { 'Nightshift-Tenant': plant('no tenant') } });
  const headers = { 'Idempotency-Key': plant('key used twice') };
  await must('POST', '/v1/emails', { body: mail, headers });
  await refused('POST', '/v1/emails', { body: { ...mail, text: plant('another text') }, headers });
}

async function manage(): Promise<void> {
  const platformKey = readFileSync(join(product.endpoints['dataDir'] ?? '', 'platform-key'), 'utf8').trim();
  await must('PUT', '/v1/tenants/other', { body: { name: plant('tenant name') }, headers: { Authorization: `Bearer ${platformKey}` } });
  await must('POST', '/v1/api-keys', { body: { name: plant('name of a key'), scopes: ['email:read'] } });
  await must('PUT', '/v1/users/u_2', { body: { email: addressOf('user to be removed') } });
  await must('DELETE', '/v1/users/u_2');
}

/** Whatever is written when things break. */
async function breakThings(): Promise<void> {
  for (const target of ['app', 'postgres']) {
    for (let index = 0; index < 3; index += 1) await start({ to: Array.from({ length: 3 }, () => addressOf(`to while ${target} dies`)) });
    product.kill(target);
    // Not every request gets an answer now; what is said is looked at.
    await ask('POST', '/v1/emails', { body: { to: addressOf('to meanwhile'), subject: plant('subject meanwhile'), text: 'x' } }).catch(
      () => undefined,
    );
    await eventually(() => product.output().includes(`${target} is back after`), WAIT);
    await eventually(async () => (await product.call('GET', '/readyz')).status === 200, WAIT);
  }
}

function leaks(sinks: readonly Sink[]): string[] {
  return sinks.flatMap(({ name, text }) => {
    const lower = text.toLowerCase();
    return [...planted].flatMap(([word, where]) => (lower.includes(word) ? [`${where} is in ${name}`] : []));
  });
}

describe('what people put into it', { timeout: 240_000 }, () => {
  test('is in no history, log, metric or problem, whatever happens to the work', async (context) => {
    await using running = await startProduct(['--ephemeral'], { LOG_LEVEL: 'debug', SETTLE_SWEEP: '1s' });
    product = running;
    await sendMails();
    await failCancelRetry();
    await sendFiles();
    await beRefused();
    await manage();
    await breakThings();
    for (const id of started) await ends(id);
    const histories = await historySinks(product);
    const logs = logSinks(product);
    const metrics = await metricSinks(product);
    context.diagnostic(`${planted.size} strings, ${histories.length / 2} histories, ${logs.length} logs, ${problems.length} problems`);
    // What must be there: else a sink that is empty, or is not read, would prove nothing.
    const text = (sinks: readonly Sink[]): string => sinks.map((sink) => sink.text).join('\n');
    assert.ok(planted.size >= 30);
    assert.ok(started.length >= 10);
    for (const id of started.filter((one) => histories.some(({ name }) => name.endsWith(one))))
      assert.ok(text(histories).includes(`"operationId":"${id}"`), `no payload of ${id} was read`);
    assert.ok(histories.some(({ name }) => name.includes('notify:')));
    assert.match(text(logs), /"level":"(warn|error)"/);
    for (const process of ['app', 'postgres', 'temporal'])
      assert.ok(logs.some(({ name, text: log }) => name.includes(process) && log !== ''));
    assert.match(text(metrics), /nightshift_.*email/);
    assert.ok(problems.length >= 15 && problems.every(({ text: problem }) => /"code"|<html/.test(problem)));
    const mails = (await product.mailbox()).join('\n');
    assert.ok([...planted.keys()].filter((word) => mails.includes(word)).length >= 10, 'no mail with planted strings arrived');
    assert.deepEqual(leaks([...histories, ...logs, ...metrics, ...problems]), []);
  });
});
