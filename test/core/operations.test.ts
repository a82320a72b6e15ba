import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEST_ACTOR, useCore } from '../support/core-fixture.ts';
import { eventually } from '../support/eventually.ts';
import { PROBE_KIND } from '../support/probe.ts';
import { selectRows } from '../support/rows.ts';

const fixture = useCore();
const HOUR_MS = 3_600_000;
const RETRY_STATE_CANCEL_REQUESTED = 7; // temporal.api.enums.v1.RetryState

function verb(id: string) {
  return { tenantId: fixture.tenantId(), id, actor: TEST_ACTOR, now: new Date() };
}

function operations() {
  return fixture.core().deps.store.operations;
}

async function eventTypes(id: string) {
  const read = await fixture.core().deps.store.streams.read(fixture.tenantId(), id, 0);
  return read?.events.map((event) => `${event.type}:${String(event.data['phase'])}`);
}

describe('accepting', () => {
  test('an operation runs and ends as its workflow says, and its stream tells every step', async () => {
    const { id } = await fixture.start([{ do: 'mark', phase: 'first' }, { do: 'effect' }]);
    const row = await fixture.reaches(id, 'succeeded');
    assert.deepEqual(row.result, { steps: 2 });
    assert.ok(row.run_id !== null && row.started_at !== null && row.finished_at !== null);
    assert.deepEqual(await eventTypes(id), ['step:accepted', 'step:running', 'step:first', 'done:succeeded']);
  });

  test('the same idempotency key gives the first operation, with another digest it is refused', async () => {
    const idempotency = { key: 'once', digest: 'a' };
    const first = await fixture.start([], { idempotency });
    const again = { tenantId: fixture.tenantId(), kind: PROBE_KIND, input: { steps: [] }, start: {}, actor: TEST_ACTOR, now: new Date() };
    const replayed = await operations().accept({ ...again, idempotency });
    assert.ok(replayed.outcome === 'replayed' && replayed.operation.id === first.id);
    assert.deepEqual(await operations().accept({ ...again, idempotency: { key: 'once', digest: 'b' } }), { outcome: 'mismatch' });
  });

  test('20 requests at once under one idempotency key make one operation', async () => {
    const request = { tenantId: fixture.tenantId(), kind: PROBE_KIND, input: { steps: [] }, start: {}, actor: TEST_ACTOR, now: new Date() };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => operations().accept({ ...request, idempotency: { key: 'race', digest: 'x' } })),
    );
    const ids = new Set(answers.map((answer) => (answer.outcome === 'mismatch' ? 'mismatch' : answer.operation.id)));
    assert.equal(ids.size, 1);
    assert.equal(answers.filter((answer) => answer.outcome === 'created').length, 1);
  });

  test('20 requests at once for one natural key make one operation', async () => {
    const kind = { ...PROBE_KIND, naturalKey: () => 'cart-1' };
    const request = { tenantId: fixture.tenantId(), kind, input: { steps: [] }, start: {}, actor: TEST_ACTOR, now: new Date() };
    const answers = await Promise.all(Array.from({ length: 20 }, () => operations().accept(request)));
    const ids = new Set(answers.map((answer) => (answer.outcome === 'mismatch' ? 'mismatch' : answer.operation.id)));
    assert.equal(ids.size, 1);
    assert.equal(answers.filter((answer) => answer.outcome === 'existing').length, 19);
  });

  test('another tenant does not find it', async () => {
    const { id } = await fixture.start([]);
    const stranger = await fixture.core().newTenant();
    assert.equal(await operations().get(stranger, id), undefined);
    assert.equal(await operations().requestCancel({ ...verb(id), tenantId: stranger }), undefined);
    assert.deepEqual(await operations().list(stranger, {}, { limit: 10 }), []);
  });
});

describe('waiting for a time', () => {
  test('a scheduled operation starts when it is due, and can be moved', async () => {
    const { id, status, start_at: before } = await fixture.start([], { start: { startAt: new Date(Date.now() + HOUR_MS) } });
    assert.equal(status, 'scheduled');
    const startAt = new Date();
    const moved = await operations().reschedule({ ...verb(id), startAt });
    assert.equal(moved?.outcome, 'rescheduled');
    const [entry, ...more] = await selectRows(
      fixture.core().ground,
      `select actor, details, before_hmac <> after_hmac as differs from audit_entry where operation_id = $1 and action = 'operation.rescheduled'`,
      [id],
    );
    assert.deepEqual(more, []);
    const details = { from: before?.toISOString(), to: startAt.toISOString() };
    assert.deepEqual(entry, { actor: 'key:test', details, differs: true });
    await fixture.reaches(id, 'succeeded');
    assert.equal((await operations().reschedule({ ...verb(id), startAt: new Date() }))?.outcome, 'not_scheduled');
  });

  test('what is too late ends as expired, and nothing is done', async () => {
    const { id } = await fixture.start([{ do: 'effect', phase: 'too-late' }], { start: { expiresAt: new Date(Date.now() - 1) } });
    await fixture.reaches(id, 'expired');
    assert.ok(!fixture.core().probeLog.done.includes('too-late'));
    assert.deepEqual(await eventTypes(id), ['step:accepted', 'done:expired']);
  });
});

describe('cancelling', () => {
  test('before it is due: one change of the row, and it never starts', async () => {
    const { id } = await fixture.start([{ do: 'effect', phase: 'never' }], { start: { startAt: new Date(Date.now() + HOUR_MS) } });
    const answer = await operations().requestCancel(verb(id));
    assert.ok(answer?.outcome === 'cancelled' && answer.operation.run_id === null);
    assert.deepEqual(await eventTypes(id), ['step:scheduled', 'done:cancelled']);
  });

  test('while it waits: 202, then cancelled, with what was done undone', async () => {
    const { id } = await fixture.start([{ do: 'effect', phase: 'to-undo' }, { do: 'wait' }]);
    await fixture.shows(id, 'resting');
    assert.equal((await operations().requestCancel(verb(id)))?.outcome, 'cancelling');
    await fixture.reaches(id, 'cancelled');
    assert.ok(fixture.core().probeLog.undone.includes('to-undo'));
  });

  test('while it is paused', async () => {
    const { id } = await fixture.start([{ do: 'signal' }, { do: 'mark', phase: 'beyond' }]);
    await fixture.shows(id, 'held');
    await operations().signal({ ...verb(id), name: 'pause', payload: {} });
    await operations().signal({ ...verb(id), name: 'advance', payload: {} });
    await fixture.shows(id, 'paused');
    await operations().requestCancel(verb(id));
    const row = await fixture.reaches(id, 'cancelled');
    assert.equal(row.paused, false);
  });

  test('while a step runs whose process dies: cancelled, although nobody gets the step again', async () => {
    const { vanished } = fixture.core().probeLog;
    const { id, workflow_id: workflowId } = await fixture.start([{ do: 'vanish' }]);
    await eventually(() => vanished.length > 0);
    assert.equal((await operations().requestCancel(verb(id)))?.outcome, 'cancelling');
    const row = await fixture.reaches(id, 'cancelled');
    assert.equal(row.error, null);
    const { events } = await fixture.core().serving.temporal.client.workflow.getHandle(workflowId).fetchHistory();
    const states = (events ?? []).flatMap(({ activityTaskTimedOutEventAttributes: ended }) => (ended ? [ended.retryState] : []));
    assert.deepEqual(states, [RETRY_STATE_CANCEL_REQUESTED]);
    for (const release of vanished) release();
  });

  test('after the end it is refused', async () => {
    const { id } = await fixture.start([]);
    await fixture.reaches(id, 'succeeded');
    assert.equal((await operations().requestCancel(verb(id)))?.outcome, 'finished');
  });

  test('twice is the same as once', async () => {
    const { id } = await fixture.start([{ do: 'wait' }]);
    await fixture.shows(id, 'resting');
    const answers = await Promise.all([operations().requestCancel(verb(id)), operations().requestCancel(verb(id))]);
    // The workflow may have ended it before the second one asks.
    assert.ok(answers.every((answer) => answer?.outcome === 'cancelling' || answer?.outcome === 'cancelled'));
    await fixture.reaches(id, 'cancelled');
  });
});

describe('signals', () => {
  test('a signal reaches the workflow, and one sent twice does no harm', async () => {
    const { id } = await fixture.start([{ do: 'signal' }]);
    await fixture.shows(id, 'held');
    assert.equal((await operations().signal({ ...verb(id), name: 'advance', payload: { reason: 'go' } }))?.outcome, 'sent');
    await operations().signal({ ...verb(id), name: 'advance', payload: {} });
    await fixture.reaches(id, 'succeeded');
    assert.equal((await operations().signal({ ...verb(id), name: 'advance', payload: {} }))?.outcome, 'finished');
  });

  test('pause holds it before its next step, resume lets it go on', async () => {
    const { id } = await fixture.start([{ do: 'signal' }, { do: 'effect', phase: 'after-pause' }]);
    await fixture.shows(id, 'held');
    await operations().signal({ ...verb(id), name: 'pause', payload: {} });
    await operations().signal({ ...verb(id), name: 'advance', payload: {} });
    assert.equal((await fixture.shows(id, 'paused')).paused, true);
    assert.ok(!fixture.core().probeLog.done.includes('after-pause'));
    await operations().signal({ ...verb(id), name: 'resume', payload: {} });
    await fixture.reaches(id, 'succeeded');
    assert.ok(fixture.core().probeLog.done.includes('after-pause'));
  });
});

describe('failing and trying again', () => {
  test('a final failure undoes what was done, last first, and says why', async () => {
    const { id } = await fixture.start([{ do: 'effect', phase: 'one' }, { do: 'effect', phase: 'two' }, { do: 'fail' }]);
    const row = await fixture.reaches(id, 'failed');
    assert.deepEqual(row.error, { code: 'rejected', message: 'The probe was told to fail.', retryable: false });
    assert.deepEqual(fixture.core().probeLog.undone.slice(-2), ['two', 'one']);
  });

  test('a retry is a new operation with the next attempt, and may have another input', async () => {
    const { id } = await fixture.start([{ do: 'fail' }]);
    await fixture.reaches(id, 'failed');
    const retried = await operations().retry({ ...verb(id), kind: PROBE_KIND, input: { steps: [] } });
    assert.ok(retried?.outcome === 'created');
    const { operation } = retried;
    assert.deepEqual([operation.attempt, operation.root_id, operation.retry_of], [2, id, id]);
    assert.match(operation.workflow_id, /:2$/);
    await fixture.reaches(operation.id, 'succeeded');
    assert.equal((await operations().retry({ ...verb(id), kind: PROBE_KIND }))?.outcome, 'superseded');
    assert.equal((await operations().retry({ ...verb(operation.id), kind: PROBE_KIND }))?.outcome, 'succeeded');
  });

  test('what still runs is not tried again', async () => {
    const { id } = await fixture.start([{ do: 'wait' }]);
    await fixture.shows(id, 'resting');
    assert.equal((await operations().retry({ ...verb(id), kind: PROBE_KIND }))?.outcome, 'not_terminal');
  });
});
