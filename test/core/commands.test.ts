import assert from 'node:assert/strict';
import { test } from 'node:test';
import { useCore } from '../support/core-fixture.ts';

const fixture = useCore();

/** What the workflow told Temporal to do, in order; bookkeeping by the name of its local activity. */
async function commandsOf(workflowId: string): Promise<string[]> {
  const { client } = fixture.core().serving.temporal;
  const handle = client.workflow.getHandle(workflowId);
  // The row is closed a moment before the workflow is.
  await handle.result();
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap((event) => {
    if (event.activityTaskScheduledEventAttributes) return [`activity ${event.activityTaskScheduledEventAttributes.activityType?.name}`];
    if (event.timerStartedEventAttributes) return ['timer'];
    if (event.workflowExecutionCompletedEventAttributes) return ['complete'];
    if (event.upsertWorkflowSearchAttributesEventAttributes) return ['phase'];
    const marker = event.markerRecordedEventAttributes;
    if (marker) return [`local ${JSON.parse(Buffer.from(marker.details?.['data']?.payloads?.[0]?.data ?? '').toString()).activity_type}`];
    return [];
  });
}

test('the frame of every operation is a fixed list of commands: recorded histories depend on it', async () => {
  const plain = await fixture.start([]);
  await fixture.reaches(plain.id, 'succeeded');
  const frame = ['local openOperation', 'activity readProbe', 'local closeOperation', 'complete'];
  assert.deepEqual(await commandsOf(plain.workflow_id), frame);
});

test('waiting, pausing and messages add their own, each once', async () => {
  const row = await fixture.start([{ do: 'signal' }, { do: 'wait', durationMs: 10 }]);
  await fixture.shows(row.id, 'held');
  const verb = { tenantId: fixture.tenantId(), id: row.id, actor: { actor: 'key:test' }, now: new Date(), payload: {} };
  await fixture.core().deps.store.operations.signal({ ...verb, name: 'advance' });
  await fixture.reaches(row.id, 'succeeded');
  const commands = await commandsOf(row.workflow_id);
  // The audit of the message runs beside the next step; either may be the first to end.
  assert.equal(commands.filter((command) => command === 'local recordMessage').length, 1);
  assert.deepEqual(
    commands.filter((command) => command !== 'local recordMessage'),
    [
      'local openOperation',
      'activity readProbe',
      'phase',
      'local markOperation',
      'phase',
      'local markOperation',
      'timer',
      'phase',
      'local markOperation',
      'local closeOperation',
      'complete',
    ],
  );
});
