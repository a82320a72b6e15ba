import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { useMailWorld } from './email/world.ts';
import { eventually } from './support/eventually.ts';

const world = useMailWorld();
const PUT_OFF = { at: 'rcpt', act: 451 } as const;
const REFUSED = { at: 'rcpt', act: 550 } as const;
const REPLY_LOST = { at: 'body', act: 'drop' } as const;

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
  world.canAsk(true);
});

describe('a mail', () => {
  test('to one recipient is sent in one transaction', async () => {
    const { id } = await world.send({ to: 'Ada <ada@example.com>' });
    const { result } = await world.reaches(id, 'succeeded');
    assert.deepEqual(result, { messageId: `<${id}@mail.nightshift>`, sent: 1, refused: 0, suppressed: 0, unknown: 0, cancelled: 0 });
    assert.deepEqual(await world.recipients(id), ['ada@example.com: sent']);
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  for (const canAsk of [true, false]) {
    test(`to one recipient is one step of its workflow, where the mailbox can ${canAsk ? '' : 'not '}be asked`, async () => {
      world.canAsk(canAsk);
      const { id } = await world.send({ to: 'ada@example.com' });
      await world.reaches(id, 'succeeded');
      const { client } = world.core().serving.temporal;
      const handle = client.workflow.getHandle(`email:${world.tenantId()}:${id}`);
      assert.equal((await handle.result()).status, 'succeeded');
      const { events } = await handle.fetchHistory();
      assert.deepEqual(
        [
          events?.filter((event) => event.markerRecordedEventAttributes).length,
          events?.some((event) => event.activityTaskScheduledEventAttributes),
        ],
        [1, false],
      );
    });
  }

  test('to five is sent in five transactions with the same Message-ID, and nobody sees the bcc', async () => {
    const { id } = await world.send({
      to: ['a@example.com', 'A@example.com', 'b@example.com'],
      cc: ['c@example.com', 'a@example.com'],
      bcc: ['d@example.com', 'e@example.com'],
      replyTo: 'desk@example.com',
      html: '<p>It works.</p>',
    });
    await world.reaches(id, 'succeeded');
    assert.deepEqual(
      world.arrived(id),
      ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.com`),
    );
    const { body } = await world.call('GET', `/v1/emails/${id}`);
    assert.deepEqual(
      body.recipients.map((one: { role: string; state: string; smtpCode: number }) => `${one.role} ${one.state} ${one.smtpCode}`),
      ['to sent 250', 'to sent 250', 'cc sent 250', 'bcc sent 250', 'bcc sent 250'],
    );
    for (const { source } of world.server().accepted.filter(({ messageId }) => messageId === body.messageId)) {
      assert.doesNotMatch(source, /[de]@example\.com/);
      assert.match(source, /^Reply-To: desk@example\.com\r$/m);
    }
  });

  test('that waited for days before it was due is put off as any other, and sent in the end', async () => {
    world.always(PUT_OFF);
    const { id } = await world.send({ to: 'ada@example.com', startAt: new Date(Date.now() + 3_600_000).toISOString() });
    await world.sql("update operation set created_at = created_at - interval '2 days' where id = $1", [id]);
    await world.sql('update dispatch set due_at = now() where operation_id = $1', [id]);
    await world.shows(id, 'put_off');
    world.always(undefined);
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, { reason: 'The server is back.' });
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('of one tenant is nobody else’s', async () => {
    const callAsStranger = await world.newTenant();
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.reaches(id, 'succeeded');
    assert.equal((await callAsStranger('GET', `/v1/emails/${id}`)).status, 404);
    const theirs = await callAsStranger('POST', '/v1/emails', { to: 'bob@example.com', subject: 'Theirs', text: 'x' });
    assert.equal(theirs.status, 202);
    assert.equal((await world.call('GET', `/v1/emails/${theirs.body.id}`)).status, 404);
    assert.equal((await world.call('POST', `/v1/operations/${theirs.body.id}/cancel`)).status, 404);
  });

  test('that is too late is not sent', async () => {
    const soon = new Date(Date.now() + 2_001).toISOString();
    const later = new Date(Date.now() + 2_000).toISOString();
    const { id } = await world.send({ to: 'ada@example.com', startAt: later, expiresAt: soon });
    await world.reaches(id, 'expired');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: cancelled']);
    assert.deepEqual(world.arrived(id), []);
  });
});

describe('a recipient whom the server puts off', () => {
  test('is tried again with growing delays, at once when asked, until the server takes the mail', async () => {
    world.plan([PUT_OFF, PUT_OFF]);
    const { id } = await world.send({ to: ['ada@example.com'] });
    await world.shows(id, 'put_off');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: pending']);
    // The phase is shown before the step that starts the timer has ended.
    await eventually(async () => (await timers(id))[0] === '1s');
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, { reason: 'the server is back' });
    await world.reaches(id, 'succeeded');
    assert.deepEqual((await timers(id)).slice(0, 2), ['1s', '2s']);
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('does not hold up the others', async () => {
    world.plan([undefined, PUT_OFF, undefined, undefined]);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com', 'c@example.com'] });
    await world.shows(id, 'put_off');
    assert.deepEqual(await world.recipients(id), ['a@example.com: sent', 'b@example.com: pending', 'c@example.com: sent']);
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
    const { result } = await world.reaches(id, 'succeeded');
    assert.equal(result?.['sent'], 3);
    assert.deepEqual(world.arrived(id), ['a@example.com', 'c@example.com', 'b@example.com']);
  });

  test('is not tried while the mail is paused', async () => {
    world.always(PUT_OFF);
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.shows(id, 'put_off');
    assert.equal((await world.call('POST', `/v1/operations/${id}/pause`, {})).body.paused, true);
    await world.shows(id, 'paused');
    world.always(undefined);
    await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
    assert.deepEqual(world.arrived(id), []);
    await world.call('POST', `/v1/operations/${id}/resume`, {});
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });
});

test('a mail that expires while it is put off is not sent any more', async () => {
  world.plan([undefined]);
  world.always({ at: 'rcpt', act: 451 });
  const expiresAt = new Date(Date.now() + 3_000).toISOString();
  const { id } = await world.send({ to: ['a@example.com', 'b@example.com'], expiresAt });
  await world.reaches(id, 'expired');
  world.always(undefined);
  assert.deepEqual(await world.recipients(id), ['a@example.com: sent', 'b@example.com: cancelled']);
  assert.deepEqual(world.arrived(id), ['a@example.com']);
});

describe('a recipient whom the server refuses', () => {
  test('ends the mail as failed, with the others sent', async () => {
    world.plan([undefined, REFUSED]);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com', 'c@example.com'] });
    const { error, result } = await world.reaches(id, 'failed');
    assert.deepEqual(error, { code: 'rejected', message: 'Recipients refused by the mail server: 1.', retryable: false });
    assert.deepEqual([result?.['sent'], result?.['refused']], [2, 1]);
    assert.deepEqual(await world.recipients(id), ['a@example.com: sent', 'b@example.com: refused', 'c@example.com: sent']);
  });

  test('is tried again by a retry, under the next generation, and nobody gets the mail twice', async () => {
    world.plan([undefined, REFUSED]);
    const first = await world.send({ to: ['a@example.com', 'b@example.com'] });
    await world.reaches(first.id, 'failed');
    const { status, body } = await world.call('POST', `/v1/operations/${first.id}/retry`, {});
    assert.equal(status, 202);
    assert.deepEqual([body.rootId, body.attempt, body.retryOf], [first.id, 2, first.id]);
    await world.reaches(body.id, 'succeeded');
    assert.deepEqual(world.arrived(first.id), ['a@example.com', 'b@example.com']);
    const effects = await world.core().deps.store.effects.ofRoot(world.tenantId(), first.id);
    assert.deepEqual(effects.map(({ generation, state }) => `${generation} ${state}`).toSorted(), ['1 done', '2 done']);
  });

  test('can be replaced in a retry, but what others already have can not be changed', async () => {
    world.plan([undefined, REFUSED]);
    const mail = { to: ['a@example.com'], cc: ['b@example.com'], subject: 'Hello', text: 'It works.' };
    const { id } = await world.send(mail);
    await world.reaches(id, 'failed');
    const changed = await world.call('POST', `/v1/operations/${id}/retry`, { input: { ...mail, text: 'Something else.' } });
    assert.deepEqual([changed.status, changed.body.code], [409, 'already_done']);
    const moved = await world.call('POST', `/v1/operations/${id}/retry`, { input: { ...mail, cc: undefined, to: ['c@example.com'] } });
    assert.equal(moved.status, 202);
    await world.reaches(moved.body.id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['a@example.com', 'c@example.com']);
    assert.deepEqual(await world.recipients(id), ['c@example.com: sent', 'a@example.com: sent', 'b@example.com: refused']);
  });
});

describe('a reply that is lost after the whole mail was sent', () => {
  test('is looked up in the mailbox: one mail', async () => {
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('is looked up again when the mailbox does not answer at first', async () => {
    world.silence(2);
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('ends as unknown where nobody can be asked, and a retry asks before it does anything', async () => {
    world.canAsk(false);
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com', delivery: 'at_most_once' });
    const { error } = await world.reaches(id, 'unknown');
    assert.equal(error?.code, 'outcome_unknown');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: unknown']);

    const still = await world.call('POST', `/v1/operations/${id}/retry`, {});
    await world.reaches(still.body.id, 'unknown');
    world.canAsk(true);
    const { body } = await world.call('POST', `/v1/operations/${still.body.id}/retry`, {});
    await world.reaches(body.id, 'succeeded');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: sent']);
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('is sent anew by a retry when the mailbox does not have it', async () => {
    world.canAsk(false);
    world.plan([REPLY_LOST]);
    const { id } = await world.send({ to: 'ada@example.com', delivery: 'at_most_once' });
    await world.reaches(id, 'unknown');
    world.server().accepted.length = 0;
    world.canAsk(true);
    const { body } = await world.call('POST', `/v1/operations/${id}/retry`, {});
    await world.reaches(body.id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('leaves other recipients as they are', async () => {
    world.canAsk(false);
    world.plan([undefined, REPLY_LOST, REFUSED]);
    const { id } = await world.send({
      to: ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com'],
      category: 'bulk',
    });
    const { result } = await world.reaches(id, 'unknown');
    assert.deepEqual([result?.['sent'], result?.['unknown'], result?.['refused']], [2, 1, 1]);
  });
});

/** Durations of the timers that the mail's workflow has set, in seconds. */
async function timers(id: string): Promise<string[]> {
  const { client } = world.core().serving.temporal;
  const { events } = await client.workflow.getHandle(`email:${world.tenantId()}:${id}`).fetchHistory();
  return (events ?? []).flatMap(({ timerStartedEventAttributes: timer }) =>
    timer === undefined || timer === null ? [] : [`${Math.round(Number(timer.startToFireTimeout?.seconds))}s`],
  );
}
