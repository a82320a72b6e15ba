import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createTemplateFolder } from '../src/adapters/templates-folder.ts';
import { type EmailTemplates, nearestLocale, type Rendering } from '../src/adapters/templates.ts';
import { type Api, assertProblem, startApi } from './api/fixture.ts';

const SCHEMA = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } };
const WELCOME = { name: 'Ada', product: 'Engines', startUrl: 'https://app.example.com/' };

let folder: string;
let templates: EmailTemplates;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'templates-'));
  templates = createTemplateFolder(folder);
});
after(() => rm(folder, { recursive: true }));

function mjml(text: string, title = 'Hello {{ name }}'): string {
  const body = `<mj-body><mj-section><mj-column><mj-text>${text}</mj-text></mj-column></mj-section></mj-body>`;
  return `<mjml><mj-head><mj-title>${title}</mj-title></mj-head>${body}</mjml>`;
}

async function write(name: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  const all = { 'schema.json': SCHEMA, 'sample.json': { name: 'Ada' }, ...files };
  for (const [file, content] of Object.entries(all))
    await writeFile(join(folder, name, file), typeof content === 'string' ? content : JSON.stringify(content));
}

async function render(name: string, data: Readonly<Record<string, unknown>>, locale?: string): Promise<Rendering> {
  const template = await templates.find(name);
  assert.ok(template !== undefined);
  return templates.render({ template, data, locale });
}

async function rendered(name: string, data: Readonly<Record<string, unknown>>, locale?: string) {
  const rendering = await render(name, data, locale);
  assert.ok(rendering.outcome === 'rendered', JSON.stringify(rendering));
  return rendering;
}

describe('a template', () => {
  test('is taken in the nearest language', async () => {
    await write('tongues', { 'de.mjml': mjml('Hallo'), 'en.mjml': mjml('Hello'), 'pt-BR.mjml': mjml('Olá') });
    for (const [wanted, taken] of [
      ['de-AT', 'de'],
      ['pt-br', 'pt-BR'],
      ['pt', 'en'],
      ['fr', 'en'],
      [undefined, 'en'],
    ] as const)
      assert.equal((await rendered('tongues', { name: 'Ada' }, wanted)).locale, taken);
    assert.equal(nearestLocale(['fr', 'it'], 'de'), 'fr');
    assert.equal(nearestLocale(['en', 'zh-Hant'], 'zh-Hant-TW'), 'zh-Hant');
  });

  test('that was edited is used without a restart', async () => {
    await write('edited', { 'en.mjml': mjml('Old') });
    assert.match((await rendered('edited', { name: 'Ada' })).text, /Old/);
    await write('edited', { 'en.mjml': mjml('New'), 'schema.json': { ...SCHEMA, properties: { name: { type: 'number' } } } });
    assert.match((await rendered('edited', { name: 'Ada' })).text, /New/);
    assert.equal((await templates.find('edited'))?.dataSchema.safeParse({ name: 'Ada' }).success, false);
  });

  test('lets no value become markup, a header or a template', async () => {
    await write('hostile', { 'en.mjml': mjml('Dear {{ name }}<a href="https://x.example/?n={{ name }}">x</a>') });
    const name = '"><script>alert(1)</script><mj-include path="/etc/passwd"/>{{ 7 | times: 7 }}\r\nBcc: eve@example.com';
    const { subject, html, text } = await rendered('hostile', { name });
    assert.doesNotMatch(html, /<script|<mj-include|49/);
    assert.doesNotMatch(subject, /[\r\n]/);
    assert.match(text, /<script>alert\(1\)<\/script>/);
  });

  test('reads no other file', async () => {
    for (const [name, text] of [
      ['includes', '{% include "/etc/hostname" %}'],
      ['renders', '{% render "../receipt/en.mjml" %}'],
      ['layouts', '{% layout "/etc/hostname" %}'],
    ] as const) {
      await write(name, { 'en.mjml': mjml(text) });
      assert.equal((await render(name, { name: 'Ada' })).outcome, 'broken');
    }
    await write('mj-includes', { 'en.mjml': mjml('x').replace('<mj-body>', '<mj-body><mj-include path="../hostile/en.mjml" />') });
    const answer = await render('mj-includes', { name: 'Ada' });
    assert.ok(answer.outcome !== 'rendered' || !answer.html.includes('x.example'), JSON.stringify(answer));
    for (const name of ['..', '../templates', 'a/b', '/etc', 'welcome\0', 'Welcome', 'nothing'])
      assert.equal(await templates.find(name), undefined);
  });

  test('that names a value which is not there says which', async () => {
    await write('missing', { 'en.mjml': mjml('{{ order.number }}') });
    assert.deepEqual(await render('missing', { name: 'Ada' }), { outcome: 'missing', variable: 'order' });
    assert.deepEqual(await render('missing', { name: 'Ada', order: {} }), { outcome: 'missing', variable: 'order.number' });
  });

  test('with a fault says where it is', async () => {
    await write('no-subject', { 'en.mjml': mjml('x').replace(/<mj-head>.*<\/mj-head>/, '') });
    await write('bad-tag', { 'en.mjml': mjml('{{ name | shout }}') });
    await write('bad-mjml', { 'en.mjml': mjml('x').replaceAll('mj-column', 'mj-colum') });
    await write('no-mjml', { 'en.mjml': '<mj-title>x</mj-title>' });
    await write('slow', { 'en.mjml': mjml('{% for a in (1..100000000) %}{{ a }}{% endfor %}') });
    for (const name of ['no-subject', 'bad-tag', 'bad-mjml', 'no-mjml', 'slow']) {
      const answer = await render(name, { name: 'Ada' });
      assert.ok(answer.outcome === 'broken', `${name} ${JSON.stringify(answer)}`);
      assert.match(answer.reason, /^en\.mjml: /);
      assert.ok(!answer.reason.includes(folder));
    }
    await write('bad-schema', { 'en.mjml': mjml('x'), 'schema.json': '{' });
    await write('bad-type', { 'en.mjml': mjml('x'), 'schema.json': { type: 'thing' } });
    for (const name of ['bad-schema', 'bad-type']) assert.match((await templates.find(name))?.fault ?? '', /^schema\.json is not/);
    assert.ok((await templates.list()).length > 10);
  });
});

describe('the templates that ship', () => {
  const shipped = createTemplateFolder(new URL('../templates/email', import.meta.url).pathname);

  test('fit their samples in every language, ask no other server and stay small', async () => {
    const all = await shipped.list();
    assert.deepEqual(
      all.map(({ name }) => name),
      ['cart-reminder', 'operation-ended', 'order-undone', 'payment-pending', 'receipt', 'welcome'],
    );
    for (const template of all) {
      assert.deepEqual(template.locales, ['de', 'en']);
      for (const locale of template.locales) {
        const data = template.dataSchema.parse(template.sample) as Record<string, unknown>; // the sample is an object
        const answer = await shipped.render({ template, data, locale });
        assert.ok(answer.outcome === 'rendered', JSON.stringify(answer));
        assert.ok(answer.html.length < 20_000 && answer.text.length > 100);
        assert.match(answer.html, new RegExp(`<html[^>]* lang="${locale}"`));
        assert.doesNotMatch(answer.html, /fonts\.googleapis|<img|@import/);
      }
    }
  });
});

describe('the API', () => {
  let api: Api;
  let key: string;
  let tenantId: string;
  before(async () => {
    api = await startApi();
    ({ id: tenantId, key } = await api.newTenant());
  });
  after(() => api[Symbol.asyncDispose]());

  const post = (path: string, body: unknown) => api.call('POST', path, { key, body });

  test('lists templates with schema and sample', async () => {
    const { body } = await api.call('GET', '/v1/email-templates', { key });
    assert.deepEqual(
      body.data.map(({ id, locales }: { id: string; locales: string[] }) => [id, locales]),
      [
        ['cart-reminder', ['de', 'en']],
        ['operation-ended', ['de', 'en']],
        ['order-undone', ['de', 'en']],
        ['payment-pending', ['de', 'en']],
        ['receipt', ['de', 'en']],
        ['welcome', ['de', 'en']],
      ],
    );
    assert.deepEqual(Object.keys(body.data[5].sample), ['name', 'product', 'startUrl', 'helpEmail']);
  });

  test('shows a mail before it is sent, with the sample or with other data', async () => {
    const sample = await api.call('POST', '/v1/email-templates/receipt/preview', { key });
    assert.deepEqual([sample.status, sample.body.locale, sample.body.subject], [200, 'en', 'Your receipt for order A-4711'], sample.text);
    assert.match(sample.body.text, /Total +€57\.20/);
    assert.equal(sample.body.sizeBytes, Buffer.byteLength(sample.body.html));
    const own = await post('/v1/email-templates/welcome/preview', {
      data: { ...WELCOME, name: 'Ä & Co' },
      locale: 'de-AT',
      category: 'bulk',
    });
    assert.deepEqual([own.body.locale, own.body.subject], ['de', 'Willkommen bei Engines, Ä & Co']);
    assert.match(own.body.html, /Willkommen, Ä &amp; Co/);
    assert.match(own.body.html, /\{\{unsubscribeUrl\}\}/);
    assertProblem(await post('/v1/email-templates/nothing/preview', {}), 404, 'not_found');
    assertProblem(await post('/v1/email-templates/..%2f..%2fsrc/preview', {}), 404, 'not_found');
    const bad = await post('/v1/email-templates/welcome/preview', { data: { ...WELCOME, startUrl: 'javascript:alert(1)' } });
    assertProblem(bad, 400, 'invalid_request');
    assert.equal(bad.body.errors[0].pointer, '/data/startUrl');
  });

  test('stores what the template made, and not the data', async () => {
    const mail = { to: 'ada@example.com', template: 'welcome', data: WELCOME, locale: 'de' };
    const { status, body } = await post('/v1/emails', mail);
    assert.equal(status, 202);
    const [row] = await api.sql(tenantId, 'select input from operation where id = $1', [body.id]);
    const input = row?.['input'] as Record<string, string>; // an object, as every input
    assert.deepEqual(Object.keys(input).toSorted(), ['html', 'locale', 'subject', 'template', 'text', 'to']);
    const shown = (await api.call('GET', `/v1/emails/${body.id}`, { key })).body;
    assert.deepEqual([shown.subject, shown.template, shown.locale], ['Willkommen bei Engines, Ada', 'welcome', 'de']);
    const general = await post('/v1/operations', { kind: 'email', input: mail });
    assert.equal(general.status, 202, general.text);
    await post(`/v1/operations/${general.body.id}/cancel`, {});
    const retried = await post(`/v1/operations/${general.body.id}/retry`, { input: { ...mail, locale: 'en' } });
    assert.equal(retried.status, 202, retried.text);
    assert.equal((await api.call('GET', `/v1/emails/${general.body.id}`, { key })).body.subject, 'Welcome to Engines, Ada');
  });

  const BAD: readonly (readonly [string, object, string])[] = [
    ['an unknown template', { template: 'wellcome', data: WELCOME }, '/template'],
    ['a path as template', { template: '../welcome', data: WELCOME }, '/template'],
    ['no data', { template: 'welcome' }, '/data/name'],
    ['a missing value', { template: 'welcome', data: { ...WELCOME, product: undefined } }, '/data/product'],
    ['a value too much', { template: 'welcome', data: { ...WELCOME, prodcut: 'x' } }, '/data/prodcut'],
    ['a value of the wrong sort', { template: 'welcome', data: { ...WELCOME, name: 7 } }, '/data/name'],
    ['data that is no object', { template: 'welcome', data: [] }, '/data'],
    ['a bad locale', { template: 'welcome', data: WELCOME, locale: 'de_AT!' }, '/locale'],
    ['a subject beside the template', { template: 'welcome', data: WELCOME, subject: 'Hi' }, '/subject'],
    ['html beside the template', { template: 'welcome', data: WELCOME, html: '<p>' }, '/html'],
    ['data without a template', { subject: 'Hi', text: 'x', data: {} }, '/data'],
    ['a locale without a template', { subject: 'Hi', text: 'x', locale: 'de' }, '/locale'],
  ];
  for (const [what, content, pointer] of BAD) {
    test(`${what}: names ${pointer}, and nothing is stored`, async () => {
      const other = await api.newTenant();
      const body = { to: 'ada@example.com', ...content };
      for (const [path, asked, prefix] of [
        ['/v1/emails', body, ''],
        ['/v1/operations', { kind: 'email', input: body }, '/input'],
      ] as const) {
        const answer = await api.call('POST', path, { key: other.key, body: asked });
        assertProblem(answer, 400, 'invalid_request');
        assert.ok(
          answer.body.errors.some((error: { pointer: string }) => error.pointer === prefix + pointer),
          answer.text,
        );
      }
      assert.deepEqual(await api.sql(other.id, 'select id from operation'), []);
    });
  }
});
