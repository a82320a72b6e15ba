import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { EmailActivities } from '../../src/activities/email.ts';
import type { OperationActivities } from '../../src/activities/operations.ts';
import type { EmailProgress } from '../../src/contracts/pure/email.ts';
import type { OperationRef, Outcome } from '../../src/contracts/pure/operations.ts';
import { TASK_QUEUES } from '../../src/contracts/pure/task-queues.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { useBundle } from '../support/ground.ts';
import { quietTemporal } from '../support/quiet-temporal.ts';
import { useSkippedTime } from '../support/skipped-time.ts';

const HOUR_MS = 3_600_000;
const REF: OperationRef = { tenantId: 'shop', operationId: 'o1', rootId: 'o1', kind: 'email', attempt: 1 };

quietTemporal();
let environment: TestWorkflowEnvironment;
before(async () => {
  environment = await useSkippedTime();
});
after(() => environment.teardown());

/** What the workflow asked for, with the time it believed it was. */
interface Diary {
  readonly tries: number[];
  readonly closed: Outcome[];
}

interface Server {
  /** The recipient is put off until then. */
  readonly takenAfterMs: number;
  /** The whole server takes no mail before. */
  readonly openAfterMs?: number;
}

/** Activities over no database, for one recipient. */
function fakeActivities(diary: Diary, { takenAfterMs, openAfterMs = 0 }: Server): EmailActivities & OperationActivities {
  let openedAtMs = 0;
  const progressAt = (nowMs: number): EmailProgress => {
    diary.tries.push(nowMs - openedAtMs);
    const isTaken = nowMs - openedAtMs >= takenAfterMs;
    const isHeld = nowMs - openedAtMs < openAfterMs;
    return {
      messageId: '<o1@test>',
      sent: isTaken ? 1 : 0,
      refused: 0,
      suppressed: 0,
      unknown: 0,
      pending: isTaken ? 0 : 1,
      isPutOff: !isTaken,
      isExpired: false,
      ...(isHeld ? { held: { forMs: 60_000, spread: 0.5 } } : {}),
    };
  };
  return {
    openEmail: async ({ nowMs }) => {
      openedAtMs = nowMs;
      return { opened: true, value: progressAt(nowMs) };
    },
    sendEmail: async ({ run }) => progressAt(run.nowMs),
    openOperation: async () => ({ opened: true, value: {} }),
    markOperation: async () => ({ status: 'waiting' }),
    closeOperation: async ({ outcome }) => {
      diary.closed.push(outcome);
      return { closed: true, seconds: 0, status: outcome.status };
    },
    recordMessage: async () => ({}),
  };
}

async function runMail(server: Server): Promise<Diary & { readonly outcome: Outcome }> {
  const diary: Diary = { tries: [], closed: [] };
  const activities = fakeActivities(diary, server);
  const connection = environment.nativeConnection;
  const [core, mail] = await Promise.all([
    Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.core, workflowBundle: { codePath: await useBundle() }, activities }),
    Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.mail, activities }),
  ]);
  const execute = () =>
    environment.client.workflow.execute<(ref: OperationRef) => Promise<Outcome>>('email', {
      workflowId: `email:shop:${server.takenAfterMs}:${server.openAfterMs}`,
      taskQueue: TASK_QUEUES.core,
      args: [REF],
    });
  const outcome = await core.runUntil(mail.runUntil(execute));
  return { ...diary, outcome };
}

const gapsOf = (tries: readonly number[]): number[] => tries.slice(1).map((atMs, index) => (atMs - (tries[index] ?? 0)) / 1000);

/** Real time passes too while the clock is skipped, so each gap may be a little longer. */
function assertGaps(gapsS: readonly number[], expectedS: readonly number[]): void {
  assert.equal(gapsS.length, expectedS.length);
  const isEach = gapsS.every((gapS, index) => gapS >= (expectedS[index] ?? 0) && gapS < (expectedS[index] ?? 0) + 10);
  assert.ok(isEach, `${gapsS.join(', ')} instead of ${expectedS.join(', ')}`);
}

test('a mail that is put off for 24 hours is given up, with tries that become rarer up to one each 15 minutes', async () => {
  const { outcome, closed, tries } = await runMail({ takenAfterMs: Infinity });
  assert.ok(outcome.status === 'failed');
  assert.deepEqual(outcome.error, { code: 'put_off', message: 'Recipients put off for 24 hours: 1.', retryable: true });
  assert.deepEqual(closed, [outcome]);
  assertGaps(gapsOf(tries).slice(0, 5), [1, 2, 4, 8, 16]);
  const last = tries.at(-1) ?? 0;
  assert.ok(Math.abs(last - 24 * HOUR_MS) < 60_000, `the last try came after ${last} ms`);
  const gaps = tries.slice(12).map((atMs, index) => atMs - (tries[index + 11] ?? 0));
  assert.ok(gaps.every((gapMs) => gapMs < 15.2 * 60_000));
});

test('a mail that is taken after six hours has succeeded', async () => {
  const { outcome, tries } = await runMail({ takenAfterMs: 6 * HOUR_MS });
  assert.equal(outcome.status, 'succeeded');
  assert.ok((tries.at(-1) ?? 0) < 6.3 * HOUR_MS);
});

test('a mail that a paused server held back for an hour has all its own delays left, and comes back spread out', async () => {
  const { outcome, tries } = await runMail({ takenAfterMs: HOUR_MS + 30_000, openAfterMs: HOUR_MS });
  assert.equal(outcome.status, 'succeeded');
  const gapsS = gapsOf(tries);
  assertGaps(gapsS.slice(0, 4), [60, 61, 62, 64]);
  const held = tries.findIndex((atMs) => atMs >= HOUR_MS);
  const waiting = gapsS.slice(7, held);
  assertGaps(
    waiting,
    waiting.map(() => 120),
  );
  assertGaps(gapsS.slice(held, held + 5), [1, 2, 4, 8, 16]);
});
