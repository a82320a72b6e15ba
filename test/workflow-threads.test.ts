import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { CallCount, CALLS_BYTES } from '../src/temporal/sandbox-calls.ts';
import { dataConverter } from '../src/temporal/data-converter.ts';
import { eventually } from './support/eventually.ts';
import { type Ground, useGround } from './support/ground.ts';

const WORKER = fileURLToPath(new URL('./support/workflow-process.ts', import.meta.url));
/** Much longer than an honest workflow task takes, on a busy machine too. */
const LIMIT_MS = 4_000;
const START_TIMEOUT_MS = 60_000;

let ground: Ground;
let connection: Connection;
let client: Client;
const started: ChildProcess[] = [];

before(async () => {
  ground = await useGround();
  connection = await Connection.connect({ address: ground.temporalAddress });
  client = new Client({ connection, namespace: ground.namespace, dataConverter });
});
after(async () => {
  for (const child of started) child.kill('SIGKILL');
  await connection.close();
});

function startWorker() {
  const args = [WORKER, ground.temporalAddress, ground.namespace, ground.bundlePath, String(LIMIT_MS)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  started.push(child);
  return { output: text(child.stdout), exit: once(child, 'exit').then(([code]) => code as number | null), stop: () => child.stdin.end() };
}

function startWorkflow(type: string, ...args: unknown[]) {
  return client.workflow.start(type, { workflowId: `${type}-${randomUUID()}`, taskQueue: 'core', args });
}

describe('a workflow that never stops computing', () => {
  test(
    'ends its process, which says whose fault it was, and in the next one fails alone while the others go on',
    { timeout: 180_000 },
    async () => {
      const first = startWorker();
      const spinning = await startWorkflow('spin');
      const hasBegun = async () => ((await spinning.describe()).raw.pendingWorkflowTask?.startedTime ?? null) !== null;
      await eventually(hasBegun, { timeoutMs: START_TIMEOUT_MS });
      const napping = await startWorkflow('nap', { durationMs: 1 });
      assert.equal(await first.exit, 1);
      const said = (await first.output).split('\n').find((line) => line.includes('computes without a pause')) ?? '{}';
      const { runId, limitMs } = JSON.parse(said) as { runId?: string; limitMs?: number };
      assert.deepEqual({ runId, limitMs }, { runId: spinning.firstExecutionRunId, limitMs: LIMIT_MS });

      const second = startWorker();
      assert.ok('wokeAt' in ((await napping.result()) as object));
      // The first attempt's time ran out with its process, the second one failed.
      const hasFailed = async () => ((await spinning.describe()).raw.pendingWorkflowTask?.attempt ?? 0) > 2;
      await eventually(hasFailed, { timeoutMs: START_TIMEOUT_MS });
      assert.ok('wokeAt' in ((await (await startWorkflow('nap', { durationMs: 1 })).result()) as object));
      await spinning.terminate();
      second.stop();
      assert.equal(await second.exit, 0);
    },
  );
});

describe('the count of calls into workflow code', () => {
  test('tells on the other side whether a call is going on, which it is, and whose', () => {
    const shared = new SharedArrayBuffer(CALLS_BYTES);
    const [inside, outside] = [new CallCount(shared), new CallCount(shared)];
    assert.equal(outside.current(), undefined);
    inside.enter('run-one');
    const call = outside.current();
    assert.ok(call !== undefined);
    assert.equal(outside.runId(), 'run-one');
    assert.equal(outside.current(), call);
    inside.leave();
    assert.equal(outside.current(), undefined);
    inside.enter('two');
    assert.notEqual(outside.current(), call);
    assert.equal(outside.runId(), 'two');
  });

  test('goes on when it has become larger than its memory holds', () => {
    const shared = new SharedArrayBuffer(CALLS_BYTES);
    new Int32Array(shared)[0] = 2 ** 31 - 2;
    const calls = new CallCount(shared);
    assert.equal(calls.current(), undefined);
    calls.enter('');
    assert.ok(calls.current() !== undefined);
    calls.leave();
    assert.equal(calls.current(), undefined);
  });
});
