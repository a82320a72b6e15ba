import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { temporalCliPath } from '../../src/embedded/binaries.ts';
import { MESSAGES } from '../../src/contracts/pure/messages.ts';
import { useCore } from '../support/core-fixture.ts';
import { eventually } from '../support/eventually.ts';
import { selectRows } from '../support/rows.ts';

const fixture = useCore();
const run = promisify(execFile);

/** `temporal workflow …` as an operator types it. */
async function temporal(...args: readonly string[]): Promise<string> {
  const { ground } = fixture.core();
  const target = ['--address', ground.temporalAddress, '--namespace', ground.namespace];
  const { stdout } = await run(temporalCliPath(process.env), ['workflow', ...args, ...target], { timeout: 20_000 });
  return stdout;
}

/** What the audit says that Temporal's tools did to it, beside messages. */
async function toldOf(id: string): Promise<unknown[]> {
  const rows = await selectRows(
    fixture.core().ground,
    "select action from audit_entry where operation_id = $1 and actor = 'temporal' and action not like '%.received' order by at, id",
    [id],
  );
  return rows.map((row) => (row as { readonly action: string }).action); // as selected
}

describe('what the temporal CLI does is found and told', () => {
  test('terminate: the operation ends as failed', async () => {
    const row = await fixture.start([{ do: 'wait' }]);
    await fixture.shows(row.id, 'resting');
    await temporal('terminate', '--workflow-id', row.workflow_id, '--reason', 'a test');
    const ended = await fixture.reaches(row.id, 'failed');
    assert.equal(ended.error?.code, 'terminated');
    assert.deepEqual(await toldOf(row.id), ['operation.failed']);
  });

  test('cancel: the operation ends as cancelled, undone, with the CLI as actor', async () => {
    const row = await fixture.start([{ do: 'effect', phase: 'cli-cancel' }, { do: 'wait' }]);
    await fixture.shows(row.id, 'resting');
    await temporal('cancel', '--workflow-id', row.workflow_id);
    await fixture.reaches(row.id, 'cancelled');
    assert.ok(fixture.core().probeLog.undone.includes('cli-cancel'));
    assert.deepEqual(await toldOf(row.id), ['operation.cancelled']);
  });

  test('signal: takes plain JSON, and leaves an audit row with actor', async () => {
    const row = await fixture.start([{ do: 'signal' }]);
    await fixture.shows(row.id, 'held');
    await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'advance', '--input', '{"actor":"ops:ada","reason":"a test"}');
    await fixture.reaches(row.id, 'succeeded');
    const rows = await selectRows(
      fixture.core().ground,
      'select action, actor, details from audit_entry where operation_id = $1 and action = $2',
      [row.id, 'operation.signal.received'],
    );
    assert.deepEqual(rows, [{ action: 'operation.signal.received', actor: 'ops:ada', details: { name: 'advance' } }]);
  });

  test('update: is answered, and leaves an audit row with actor', async () => {
    const row = await fixture.start([{ do: 'signal' }]);
    await fixture.shows(row.id, 'held');
    const asked = ['--name', 'advanceNow', '--input', '{"actor":"ops:ada","reason":"a test"}'];
    assert.match(await temporal('update', 'execute', '--workflow-id', row.workflow_id, ...asked), /advances/);
    await fixture.reaches(row.id, 'succeeded');
    const rows = await selectRows(fixture.core().ground, 'select actor, details from audit_entry where operation_id = $1 and action = $2', [
      row.id,
      'operation.update.received',
    ]);
    assert.deepEqual(rows, [{ actor: 'ops:ada', details: { name: 'advanceNow' } }]);
  });

  test('signal of a name that nobody knows: no harm, and an audit row', async () => {
    const row = await fixture.start([{ do: 'signal' }]);
    await fixture.shows(row.id, 'held');
    await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'mystery', '--input', '"?"');
    await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'advance', '--input', '{}');
    await fixture.reaches(row.id, 'succeeded');
    const rows = await selectRows(
      fixture.core().ground,
      'select details from audit_entry where operation_id = $1 and action = $2 order by id',
      [row.id, 'operation.signal.received'],
    );
    assert.deepEqual(
      rows.map((entry) => JSON.stringify(entry)),
      ['{"details":{"name":"mystery"}}', '{"details":{"name":"advance"}}'],
    );
  });

  test('reset after the end: the row opens again and ends under the new run', async () => {
    const row = await fixture.start([{ do: 'effect', phase: 'before-reset' }, { do: 'signal' }]);
    await fixture.shows(row.id, 'held');
    await temporal('terminate', '--workflow-id', row.workflow_id);
    const failed = await fixture.reaches(row.id, 'failed');
    await temporal('reset', '--workflow-id', row.workflow_id, '--type', 'LastWorkflowTask', '--reason', 'a test');
    const reopened = await fixture.reaches(row.id, 'running', 'waiting');
    assert.notEqual(reopened.run_id, failed.run_id);
    await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'advance', '--input', '{}');
    await fixture.reaches(row.id, 'succeeded');
    assert.equal(fixture.core().probeLog.done.filter((step) => step === 'before-reset').length, 1);
    assert.deepEqual(await toldOf(row.id), ['operation.failed', 'operation.reopened']);
  });

  test('reset under way: the row goes on under the new run, and the audit tells it once', async () => {
    const row = await fixture.start([{ do: 'signal' }, { do: 'mark', phase: 'beyond' }, { do: 'mark', phase: 'far beyond' }]);
    const { run_id: first } = await fixture.shows(row.id, 'held');
    await temporal('reset', '--workflow-id', row.workflow_id, '--type', 'FirstWorkflowTask', '--reason', 'a test');
    await runOf(row.id, (runId) => runId !== first);
    // The row shows what the first run was at; only the second one knows whether it waits for the signal already.
    const second = fixture.core().serving.temporal.client.workflow.getHandle(row.workflow_id);
    await eventually(async () => (await second.query<{ readonly phase: string }>(MESSAGES.status)).phase === 'held');
    await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'advance', '--input', '{}');
    await fixture.reaches(row.id, 'succeeded');
    assert.deepEqual(await toldOf(row.id), ['operation.run.changed']);
  });

  test('reset of one that succeeded: only what comes after the reset point runs again, and the row ends anew', async () => {
    const row = await fixture.start([{ do: 'effect', phase: 'kept' }]);
    const first = await fixture.reaches(row.id, 'succeeded');
    await temporal('reset', '--workflow-id', row.workflow_id, '--type', 'LastWorkflowTask', '--reason', 'a test');
    const second = await eventually(async () => {
      const now = await fixture.core().deps.store.operations.get(fixture.tenantId(), row.id);
      return now?.run_id !== first.run_id && now?.status === 'succeeded' ? now : undefined;
    });
    assert.deepEqual(second.result, { steps: 1 });
  });

  test('reset of one that is being cancelled: the run that does not know of it is told', async () => {
    const row = await fixture.start([{ do: 'wait' }]);
    await fixture.shows(row.id, 'resting');
    // As it stands after such a reset: asked for in the row, and not of the run.
    await selectRows(fixture.core().ground, "update operation set status = 'cancelling', cancel_requested_at = now() where id = $1", [
      row.id,
    ]);
    await fixture.reaches(row.id, 'cancelled');
  });

  test('terminated before it opened its row: the operation ends as failed', async () => {
    const row = await fixture.start([], { start: { startAt: new Date(Date.now() + 3_600_000) } });
    const { client } = fixture.core().serving.temporal;
    // As if it had been started by a process that died, and terminated before a worker took it: on a queue that nobody serves.
    const ref = { tenantId: fixture.tenantId(), operationId: row.id, rootId: row.id, kind: 'probe', attempt: 1 };
    const handle = await client.workflow.start('probe', { workflowId: row.workflow_id, taskQueue: 'nobody', args: [ref] });
    await handle.terminate('a test');
    const verb = { tenantId: fixture.tenantId(), id: row.id, actor: { actor: 'key:test' }, now: new Date() };
    await fixture.core().deps.store.operations.reschedule({ ...verb, startAt: new Date() });
    const ended = await fixture.reaches(row.id, 'failed');
    assert.equal(ended.error?.code, 'terminated');
  });

  test('deleted from Temporal: an operation whose execution is gone ends as failed', async () => {
    const row = await fixture.start([{ do: 'wait' }]);
    await fixture.shows(row.id, 'resting');
    const { client, namespace } = fixture.core().serving.temporal;
    await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: row.workflow_id } });
    const ended = await fixture.reaches(row.id, 'failed');
    assert.ok(ended.error?.code === 'execution_missing' || ended.error?.code === 'terminated', ended.error?.code);
  });
});

describe('a workflow task that keeps failing', () => {
  test('is shown as stuck, and stays open', async () => {
    const row = await fixture.start([{ do: 'bug' }]);
    const stuck = await eventually(
      async () => {
        const now = await fixture.core().deps.store.operations.get(fixture.tenantId(), row.id);
        return now?.stuck === null ? undefined : now;
      },
      { timeoutMs: 60_000 },
    );
    assert.equal(stuck.status, 'running');
    assert.equal(stuck.stuck?.reason, 'The workflow task keeps failing.');
    await temporal('terminate', '--workflow-id', row.workflow_id);
    await fixture.reaches(row.id, 'failed');
  });

  for (const end of ['succeeded', 'cancelled'] as const)
    test(`for a past that can't be replayed begins anew, and ends as ${end}`, async () => {
      const row = await fixture.start([{ do: 'twist' }, { do: 'stumble' }, { do: 'signal' }]);
      const first = await runOf(row.id, () => true);
      if (end === 'cancelled') {
        // It comes to the run that is stuck, and must reach the next one; one that comes before the stumble ends the first.
        await stumbled(row.workflow_id);
        await temporal('cancel', '--workflow-id', row.workflow_id);
      }
      await runOf(row.id, (runId) => runId !== first);
      if (end === 'succeeded') {
        await fixture.shows(row.id, 'held');
        await temporal('signal', '--workflow-id', row.workflow_id, '--name', 'advance', '--input', '{}');
      }
      const ended = await fixture.reaches(row.id, end);
      assert.equal(ended.stuck, null);
    });

  test('after it began anew is left to people', async () => {
    const row = await fixture.start([{ do: 'twist' }, { do: 'bug' }]);
    const first = await runOf(row.id, () => true);
    const second = await runOf(row.id, (runId) => runId !== first);
    const stuck = await eventually(
      async () => {
        const now = await fixture.core().deps.store.operations.get(fixture.tenantId(), row.id);
        return now?.stuck === null ? undefined : now;
      },
      { timeoutMs: 120_000 },
    );
    assert.equal(stuck?.run_id, second);
    await temporal('terminate', '--workflow-id', row.workflow_id);
    await fixture.reaches(row.id, 'failed');
  });
});

/** The workflow's task failed, or it has begun anew since. */
function stumbled(workflowId: string): Promise<true> {
  const handle = fixture.core().serving.temporal.client.workflow.getHandle(workflowId);
  return eventually(
    async () => {
      const { raw, runId } = await handle.describe();
      const hasFailed = (raw.pendingWorkflowTask?.attempt ?? 0) > 1 || raw.workflowExecutionInfo?.firstRunId !== runId;
      return hasFailed ? true : undefined;
    },
    { timeoutMs: 120_000 },
  );
}

/** The run that the row tells of, once there is one that fits. */
function runOf(id: string, fits: (runId: string) => boolean): Promise<string> {
  return eventually(
    async () => {
      const row = await fixture.core().deps.store.operations.get(fixture.tenantId(), id);
      return typeof row?.run_id === 'string' && fits(row.run_id) ? row.run_id : undefined;
    },
    { timeoutMs: 120_000 },
  );
}
