import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { assertProblem } from './api/fixture.ts';
import { useMailWorld } from './email/world.ts';

const world = useMailWorld();
const PUT_OFF = { at: 'rcpt', act: 451 } as const;

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
});

async function suppress(address: string, more: object = {}): Promise<string> {
  const { status, body, text } = await world.call('POST', '/v1/suppressions', { address, ...more });
  assert.equal(status, 201, text);
  return body.id;
}

/** The link in the mail that a recipient got. */
function linkTo(rootId: string, recipient: string): string {
  const mail = world.server().accepted.find((one) => one.messageId.includes(rootId) && one.recipient === recipient);
  const url = /^List-Unsubscribe:\s+<([^>]+)>\r$/m.exec(mail?.source ?? '')?.[1] ?? '';
  assert.match(mail?.source ?? '', /^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m);
  return new URL(url).pathname;
}

describe('a suppressed recipient', () => {
  test('gets no mail, while the others do', async () => {
    await suppress('Bob <BOB@one.example>');
    const { id } = await world.send({ to: ['ada@one.example', 'bob@one.example', 'cy@one.example'] });
    const { result } = await world.reaches(id, 'succeeded');
    assert.deepEqual([result?.['sent'], result?.['refused'], result?.['suppressed']], [2, 0, 1]);
    assert.deepEqual(await world.recipients(id), ['ada@one.example: sent', 'bob@one.example: suppressed', 'cy@one.example: sent']);
    assert.deepEqual(world.arrived(id), ['ada@one.example', 'cy@one.example']);
  });

  test('alone ends the mail as failed, and the server hears nothing; once removed, a retry sends it', async () => {
    const suppression = await suppress('ada@two.example');
    const { id } = await world.send({ to: 'ada@two.example' });
    const { error } = await world.reaches(id, 'failed');
    assert.deepEqual(error, { code: 'suppressed', message: 'All recipients are suppressed: 1.', retryable: false });
    assert.ok(!world.server().recipients.includes('ada@two.example'));
    assert.equal((await world.call('DELETE', `/v1/suppressions/${suppression}`)).status, 204);
    const { body } = await world.call('POST', `/v1/operations/${id}/retry`, {});
    await world.reaches(body.id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@two.example']);
  });

  test('by whom bulk was refused still gets what is not', async () => {
    await suppress('ada@three.example', { scope: 'bulk', reason: 'unsubscribed' });
    const bulk = await world.send({ to: 'ada@three.example', category: 'bulk' });
    const receipt = await world.send({ to: 'ada@three.example' });
    await world.reaches(bulk.id, 'failed');
    await world.reaches(receipt.id, 'succeeded');
    assert.equal((await world.call('GET', `/v1/emails/${bulk.id}`)).body.category, 'bulk');
  });

  test('of another tenant is not suppressed here', async () => {
    await (
      await world.newTenant()
    )('POST', '/v1/suppressions', { address: 'ada@four.example' });
    const { id } = await world.send({ to: 'ada@four.example' });
    await world.reaches(id, 'succeeded');
  });

  test('gets mail again after the end of it', async () => {
    const soon = new Date(Date.now() + 100).toISOString();
    await suppress('ada@five.example', { expiresAt: soon });
    while (Date.now() <= Date.parse(soon)) await new Promise((resolve) => setImmediate(resolve));
    const { id } = await world.send({ to: 'ada@five.example' });
    await world.reaches(id, 'succeeded');
  });

  test('is found when the mail was put off before', async () => {
    world.always(PUT_OFF);
    const { id } = await world.send({ to: 'ada@six.example' });
    await world.shows(id, 'put_off');
    await suppress('ada@six.example');
    world.always(undefined);
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
    await world.reaches(id, 'failed');
    assert.deepEqual(await world.recipients(id), ['ada@six.example: suppressed']);
    assert.deepEqual(world.arrived(id), []);
  });

  test('is found directly before the body, after the claim', async () => {
    const { store } = world.core().deps;
    const { id } = await world.send({ to: 'held@seven.example', startAt: '2030-01-01T00:00:00Z' });
    const tenantId = world.tenantId();
    const run = { tenantId, operationId: id, rootId: id, kind: 'email', attempt: 1, runId: 'run', nowMs: Date.now() };
    await store.lifecycle.open(run);
    const reaches = { address: 'held@seven.example', bulk: true };
    const [effect] = await store.effects.claim({ ...run, effects: [{ step: 'send/x', digest: 'd', reaches }] });
    assert.equal(effect?.state, 'claimed');
    await suppress('held@seven.example');
    const ref = { tenantId, key: effect.key, fence: effect.fence };
    assert.equal(await store.effects.begin(ref, 1000, { reaches, nowMs: Date.now() }), false);
    const [refused] = await store.effects.ofRoot(tenantId, id);
    assert.deepEqual([refused?.state, refused?.response], ['refused', { reason: 'suppressed' }]);
  });
});

describe('an unsubscribe link', () => {
  test('is each recipient’s own, names no address, and is where the author put it', async () => {
    const html = '<a href="{{unsubscribeUrl}}">No more of this</a>';
    const { id } = await world.send({
      to: ['ada@link.example', 'bob@link.example'],
      category: 'bulk',
      html,
      text: 'No more: {{unsubscribeUrl}}',
    });
    await world.reaches(id, 'succeeded');
    const links = ['ada@link.example', 'bob@link.example'].map((address) => linkTo(id, address));
    assert.equal(new Set(links).size, 2);
    for (const link of links) {
      const token = Buffer.from(link.slice(link.indexOf('.') + 1), 'base64url').toString('latin1');
      assert.ok(!/link\.example|ada|bob/.test(token));
      const mail = world.server().accepted.find(({ source }) => source.includes(`<${'http://127.0.0.1:7460'}${link}>`));
      assert.ok(mail?.source.replaceAll('=\r\n', '').includes(`${link}">No more of this`), mail?.source);
    }
  });

  test('looked at changes nothing; posted, bulk ends and the rest goes on; it may be posted again', async () => {
    const { id } = await world.send({ to: 'ada@click.example', category: 'bulk' });
    await world.reaches(id, 'succeeded');
    const link = linkTo(id, 'ada@click.example');
    const page = await world.visit('GET', link);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(page.text, /<button type="submit"/);
    assert.match(page.text, /a•••@click\.example/);
    assert.deepEqual((await world.call('GET', '/v1/suppressions?address=ada@click.example')).body.data, []);

    for (let i = 0; i < 2; i++) {
      const done = await world.visit('POST', link, 'List-Unsubscribe=One-Click');
      assert.equal(done.status, 200, done.text);
      assert.match(done.text, /You are unsubscribed/);
    }
    const { data } = (await world.call('GET', '/v1/suppressions?address=ADA@click.example')).body;
    assert.deepEqual(
      data.map(({ address, scope, reason }: Record<string, string>) => [address, scope, reason]),
      [['ada@click.example', 'bulk', 'unsubscribed']],
    );
    assert.doesNotMatch((await world.visit('GET', link)).text, /<button/);
    const again = await world.send({ to: 'ada@click.example', category: 'bulk' });
    await world.reaches(again.id, 'failed');
    const receipt = await world.send({ to: 'ada@click.example' });
    await world.reaches(receipt.id, 'succeeded');
  });

  test('that was changed, is cut or names another tenant works for nobody', async () => {
    const { id } = await world.send({ to: 'ada@forged.example', category: 'bulk' });
    await world.reaches(id, 'succeeded');
    const link = linkTo(id, 'ada@forged.example');
    const [tenant = '', sealed = ''] = link.slice('/unsubscribe/'.length).split('.');
    const flipped = `${sealed.startsWith('A') ? 'B' : 'A'}${sealed.slice(1)}`;
    for (const token of [
      `${tenant}.${flipped}`,
      `${tenant}.${sealed.slice(0, -4)}`,
      `nobody.${sealed}`,
      `${tenant}.`,
      'x',
      tenant,
      '%00',
      `${tenant}.${'A'.repeat(900)}`,
    ]) {
      for (const method of ['GET', 'POST']) {
        const answer = await world.visit(method, `/unsubscribe/${token}`);
        assert.equal(answer.status, 404, `${method} ${token} ${answer.text}`);
      }
    }
    assert.deepEqual((await world.call('GET', '/v1/suppressions?address=ada@forged.example')).body.data, []);
  });

  test('is not in mail that is not bulk', async () => {
    const { id } = await world.send({ to: 'ada@plain.example', text: '{{unsubscribeUrl}}' });
    await world.reaches(id, 'succeeded');
    const mail = world.server().accepted.find(({ messageId }) => messageId.includes(id));
    assert.doesNotMatch(mail?.source ?? '', /List-Unsubscribe/);
    assert.match(mail?.source ?? '', /\{\{unsubscribeUrl\}\}/);
  });
});

describe('suppressions', () => {
  test('are replaced by address and scope, listed in pages, and removed', async () => {
    const id = await suppress('list@list.example', { reason: 'bounced' });
    const again = await world.call('POST', '/v1/suppressions', { address: 'LIST@list.example', reason: 'complained' });
    assert.deepEqual([again.status, again.body.id, again.body.reason], [200, id, 'complained']);
    await suppress('list@list.example', { scope: 'bulk' });
    const first = (await world.call('GET', '/v1/suppressions?address=list@list.example&limit=1')).body;
    assert.deepEqual([first.data.length, first.hasMore], [1, true]);
    const next = (await world.call('GET', `/v1/suppressions?address=list@list.example&limit=1&cursor=${first.nextCursor}`)).body;
    assert.deepEqual([next.data[0].id, next.hasMore], [id, false]);
    const stranger = await world.newTenant();
    assert.deepEqual((await stranger('GET', '/v1/suppressions')).body.data, []);
    assertProblem(await stranger('DELETE', `/v1/suppressions/${id}`), 404, 'not_found');
    assert.equal((await world.call('DELETE', `/v1/suppressions/${id}`)).status, 204);
    assertProblem(await world.call('DELETE', `/v1/suppressions/${id}`), 404, 'not_found');
  });

  const bad: readonly (readonly [object, string])[] = [
    [{}, '/address'],
    [{ address: 'ada' }, '/address'],
    [{ address: 'ada@example.com\r\nBcc: x@example.com' }, '/address'],
    [{ address: 'ada@example.com', scope: 'some' }, '/scope'],
    [{ address: 'ada@example.com', reason: '' }, '/reason'],
    [{ address: 'ada@example.com', expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
    [{ address: 'ada@example.com', note: 'x' }, '/note'],
  ];
  for (const [body, pointer] of bad) {
    test(`${JSON.stringify(body)}: names ${pointer}`, async () => {
      const answer = await world.call('POST', '/v1/suppressions', body);
      assertProblem(answer, 400, 'invalid_request');
      assert.equal(answer.body.errors[0].pointer, pointer);
    });
  }
});
