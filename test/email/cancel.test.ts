import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { KINDS } from '../../src/contracts/kinds.ts';
import { temporalCliPath } from '../../src/embedded/binaries.ts';
import { eventually } from '../support/eventually.ts';
import { useMailWorld } from './world.ts';

const world = useMailWorld();
const run = promisify(execFile);
const PUT_OFF = { at: 'rcpt', act: 451 } as const;

beforeEach(() => {
  world.plan([]);
  world.always(undefined);
  world.server().onBody = undefined;
});

function cancel(id: string) {
  return world.call('POST', `/v1/operations/${id}/cancel`, { reason: 'a test' });
}

/** Resolves when the body of the next mail begins to arrive. */
function nextBody(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  world.server().onBody = () => {
    world.server().onBody = undefined;
    resolve();
  };
  return promise;
}

/** A retry in an hour of a mail that one of its two recipients got. */
async function retryLater(edit: (input: Readonly<Record<string, unknown>>) => object): Promise<string> {
  world.plan([undefined, { at: 'rcpt', act: 550 }]);
  const { id } = await world.send({ to: ['a@example.com', 'b@example.com'] });
  await world.reaches(id, 'failed');
  const { operations } = world.core().deps.store;
  const of = await operations.get(world.tenantId(), id);
  assert.ok(of !== undefined);
  const accepted = await operations.accept({
    tenantId: world.tenantId(),
    kind: KINDS.email,
    input: edit(of.input),
    start: { startAt: new Date(Date.now() + 3_600_000) },
    actor: { actor: 'key:test' },
    now: new Date(),
    retry: { of },
  });
  assert.ok(accepted.outcome === 'created');
  return accepted.operation.id;
}

describe('cancelling a mail', () => {
  test('that is put off: nothing is sent afterwards', async () => {
    world.plan([undefined]);
    world.always(PUT_OFF);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com'] });
    await world.shows(id, 'put_off');
    assert.equal((await cancel(id)).status, 202);
    const { result } = await world.reaches(id, 'cancelled');
    assert.deepEqual(result, { messageId: `<${id}@mail.nightshift>`, sent: 1, refused: 0, suppressed: 0, unknown: 0, cancelled: 1 });
    assert.deepEqual(await world.recipients(id), ['a@example.com: sent', 'b@example.com: cancelled']);
    world.always(undefined);
    assert.equal((await cancel(id)).status, 200);
    const signal = await world.call('POST', `/v1/operations/${id}/signals/retryNow`, {});
    assert.deepEqual([signal.status, signal.body.code], [409, 'operation_finished']);
    assert.deepEqual(world.arrived(id), ['a@example.com']);
  });

  test('that is scheduled: at once, and it never starts', async () => {
    const { id, status } = await world.send({ to: 'ada@example.com', startAt: new Date(Date.now() + 3_600_000).toISOString() });
    assert.equal(status, 'scheduled');
    const { status: code, body } = await cancel(id);
    assert.deepEqual([code, body.status, body.result?.cancelled], [200, 'cancelled', 1]);
    assert.deepEqual(await world.recipients(id), ['ada@example.com: cancelled']);
  });

  test('while it is paused', async () => {
    world.always(PUT_OFF);
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.shows(id, 'put_off');
    await world.call('POST', `/v1/operations/${id}/pause`, {});
    await world.shows(id, 'paused');
    await cancel(id);
    const ended = await world.reaches(id, 'cancelled');
    assert.equal(ended.paused, undefined);
    assert.deepEqual(world.arrived(id), []);
  });

  test('while it is sent to many: who has it keeps it, the rest never gets it', async () => {
    world.plan([undefined, undefined, { at: 'rcpt', act: 'stall' }]);
    const { id } = await world.send({ to: Array.from({ length: 6 }, (_, index) => `r${index}@example.com`) });
    await eventually(() => world.arrived(id).length === 2);
    const askedAt = performance.now();
    assert.equal((await cancel(id)).status, 202);
    const { result } = await world.reaches(id, 'cancelled');
    const tookMs = performance.now() - askedAt;
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
    assert.deepEqual([result?.['sent'], result?.['cancelled']], [2, 4]);
    const states = (await world.recipients(id)).map((text) => text.split(': ')[1]);
    assert.deepEqual(states, ['sent', 'sent', 'cancelled', 'cancelled', 'cancelled', 'cancelled']);
    assert.equal(world.arrived(id).length, 2);
  });

  test('while the server takes its time to answer: the mailbox is asked, and the end comes soon', async () => {
    world.plan([undefined, undefined, { at: 'body', act: 'stall' }]);
    const { id } = await world.send({ to: ['a@example.com', 'b@example.com', 'c@example.com', 'd@example.com'] });
    await eventually(() => world.arrived(id).length === 3);
    const askedAt = performance.now();
    assert.equal((await cancel(id)).status, 202);
    await world.reaches(id, 'cancelled');
    const tookMs = performance.now() - askedAt;
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
    assert.deepEqual(
      (await world.recipients(id)).map((text) => text.split(': ')[1]),
      ['sent', 'sent', 'sent', 'cancelled'],
    );
  });

  test('before a retry began whose recipients all have it already: too late, and it says so', async () => {
    const retry = await retryLater((mail) => ({ ...mail, to: ['a@example.com'] }));
    const { status, body } = await cancel(retry);
    assert.deepEqual([status, body.status, body.cancelRejected, body.result?.sent], [202, 'succeeded', 'too_late', 1]);
  });

  test('before a retry began: what was refused before is not too late to cancel', async () => {
    const retry = await retryLater((mail) => mail);
    const { status, body } = await cancel(retry);
    assert.deepEqual([status, body.status, body.result?.sent, body.result?.cancelled], [200, 'cancelled', 1, 1]);
  });

  test('too late: it succeeds, and says so', async () => {
    const body = nextBody();
    // The server has the mail and keeps its answer to itself, and the mailbox takes its time too.
    world.silence(1);
    world.plan([{ at: 'body', act: 'stall' }]);
    const { id } = await world.send({ to: 'ada@example.com' });
    await body;
    const answer = await cancel(id);
    assert.equal(answer.status, 202, answer.text);
    const ended = await world.reaches(id, 'succeeded', 'cancelled');
    assert.deepEqual([ended.status, ended.cancelRejected], ['succeeded', 'too_late']);
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });
});

describe('the temporal CLI on a mail that is put off', () => {
  async function putOff(): Promise<{ readonly id: string; readonly workflowId: string }> {
    world.always(PUT_OFF);
    const { id } = await world.send({ to: 'ada@example.com' });
    await world.shows(id, 'put_off');
    return { id, workflowId: `email:${world.tenantId()}:${id}` };
  }

  /** `temporal workflow …` as an operator types it. */
  async function temporal(...args: readonly string[]): Promise<string> {
    const { ground } = world.core();
    const target = ['--address', ground.temporalAddress, '--namespace', ground.namespace];
    const { stdout } = await run(temporalCliPath(process.env), ['workflow', ...args, ...target], { timeout: 20_000 });
    return stdout;
  }

  test('signal: tries again at once', async () => {
    const { id, workflowId } = await putOff();
    world.always(undefined);
    await temporal('signal', '--workflow-id', workflowId, '--name', 'retryNow', '--input', '{"actor":"ops:ada","reason":"a test"}');
    await world.reaches(id, 'succeeded');
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('query: tells where it is', async () => {
    const { id, workflowId } = await putOff();
    const shown = await temporal('query', '--workflow-id', workflowId, '--name', 'status');
    assert.match(shown, /put_off/);
    await cancel(id);
    await world.reaches(id, 'cancelled');
  });

  test('cancel: the mail ends as cancelled', async () => {
    const { id, workflowId } = await putOff();
    await temporal('cancel', '--workflow-id', workflowId);
    await world.reaches(id, 'cancelled');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: cancelled']);
    assert.deepEqual(world.arrived(id), []);
  });

  test('terminate: it ends as failed, and reset opens it again and sends it once', async () => {
    const { id, workflowId } = await putOff();
    await temporal('terminate', '--workflow-id', workflowId, '--reason', 'a test');
    const failed = await world.reaches(id, 'failed');
    assert.equal(failed.error?.code, 'terminated');
    world.always(undefined);
    await temporal('reset', '--workflow-id', workflowId, '--type', 'FirstWorkflowTask', '--reason', 'a test');
    await world.reaches(id, 'succeeded');
    assert.deepEqual(await world.recipients(id), ['ada@example.com: sent']);
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });

  test('reset of a mail that was sent: it is not sent again', async () => {
    const { id } = await world.send({ to: 'ada@example.com' });
    const first = await world.reaches(id, 'succeeded');
    await temporal('reset', '--workflow-id', `email:${world.tenantId()}:${id}`, '--type', 'FirstWorkflowTask', '--reason', 'a test');
    await eventually(async () => {
      const { body } = await world.call('GET', `/v1/operations/${id}`);
      return body.status === 'succeeded' && body.finishedAt !== first.finishedAt;
    });
    assert.deepEqual(world.arrived(id), ['ada@example.com']);
  });
});
