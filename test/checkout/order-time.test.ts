// An order's time, over days that pass in seconds: the workflow on a clock that skips, its activities over no database.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { CheckoutActivities } from '../../src/activities/checkout/index.ts';
import type { RefundView } from '../../src/activities/checkout/refund.ts';
import type { OperationActivities } from '../../src/activities/operations.ts';
import type { CartLook, CartRef } from '../../src/contracts/pure/carts.ts';
import type { OrderView } from '../../src/contracts/pure/checkout.ts';
import type { OperationRef, Outcome } from '../../src/contracts/pure/operations.ts';
import { TASK_QUEUES } from '../../src/contracts/pure/task-queues.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { useBundle } from '../support/ground.ts';
import { quietTemporal } from '../support/quiet-temporal.ts';
import { useSkippedTime } from '../support/skipped-time.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Real time passes too while the clock is skipped. */
const MARGIN_S = 20;

quietTemporal();
let environment: TestWorkflowEnvironment;
before(async () => {
  environment = await useSkippedTime();
});
after(() => environment.teardown());

interface Story {
  /** How the payment stands until something happens. */
  readonly status: string;
  /** The money is there so long after the beginning; never when absent. */
  readonly paidAfterMs?: number;
  /** The provider says that it has no such payment, from the first reading on. */
  readonly isMissing?: true;
}

/** What the workflow did, in ms after its beginning. */
interface Diary {
  readonly reads: number[];
  readonly voids: number[];
  readonly kept: number[];
  readonly left: number[];
}

/** The steps of an order whose payment goes as the story says. Those that are left out are never asked for. */
function fakeActivities({ status, paidAfterMs = Infinity, isMissing }: Story, diary: Diary) {
  let beganMs = 0;
  let [isPaid, isVoid] = [false, false];
  const viewAt = (nowMs: number): OrderView => {
    isPaid ||= !isVoid && nowMs - beganMs >= paidAfterMs;
    const intentStatus = isVoid ? 'cancelled' : isPaid ? 'succeeded' : status;
    const amounts = { capturedAmount: isPaid ? 1990 : 0, refundedAmount: 0, totalAmount: 1990 };
    const tries = { paymentTry: 1, confirmedTry: 1, payUntilMs: beganMs + 30 * MINUTE_MS, captureBeforeMs: null };
    const missing = isMissing === true && diary.reads.length > 0 ? { missingSinceMs: beganMs + (diary.reads[0] ?? 0) } : {};
    return { state: isPaid ? 'paid' : status, intentStatus, captureMethod: 'automatic', ...amounts, ...tries, ...missing };
  };
  const core = {
    openOrder: async ({ nowMs }: { nowMs: number }) => {
      if (beganMs === 0) beganMs = nowMs;
      return { opened: true, value: viewAt(nowMs) };
    },
    lookAtOrder: async ({ run }) => viewAt(run.nowMs),
    keepStock: async ({ untilMs }) => {
      diary.kept.push(untilMs - beganMs);
      return {};
    },
    sellStock: async () => ({ short: [] }),
    endOrder: async ({ run, state }) => ({ ...viewAt(run.nowMs), state }),
    leaveOrder: async ({ run }) => {
      diary.left.push(run.nowMs - beganMs);
      return {};
    },
    markOperation: async () => ({ status: 'waiting' }),
    closeOperation: async ({ outcome }) => ({ closed: true, seconds: 0, status: outcome.status }),
    recordMessage: async () => ({}),
  } satisfies Partial<CheckoutActivities['core'] & OperationActivities>;
  const payments = {
    readPayment: async ({ run }) => {
      diary.reads.push(run.nowMs - beganMs);
      return viewAt(run.nowMs);
    },
    voidPayment: async ({ run }) => {
      diary.voids.push(run.nowMs - beganMs);
      isVoid = true;
      return viewAt(run.nowMs);
    },
    fulfilOrder: async () => ({ outcome: 'accepted', reference: 'r1' }),
    sendReceipt: async () => ({ receiptId: null }),
  } satisfies Partial<CheckoutActivities['payments']>;
  return { core, payments };
}

let stories = 0;

async function tell(story: Story): Promise<Diary & { readonly outcome: Outcome; readonly runs: number; readonly longest: number }> {
  const diary: Diary = { reads: [], voids: [], kept: [], left: [] };
  const outcome = await execute('order', fakeActivities(story, diary));
  return { ...diary, outcome, ...(await runsOf(`order:shop:story-${stories}`)) };
}

/** Runs the workflow of an operation to its end. */
async function execute(kind: 'order' | 'refund', activities: { readonly core: object; readonly payments: object }): Promise<Outcome> {
  const connection = environment.nativeConnection;
  const [core, payments] = await Promise.all([
    Worker.create({
      connection,
      dataConverter,
      taskQueue: TASK_QUEUES.core,
      workflowBundle: { codePath: await useBundle() },
      activities: activities.core,
    }),
    Worker.create({ connection, dataConverter, taskQueue: TASK_QUEUES.payments, activities: activities.payments }),
  ]);
  stories += 1;
  const workflowId = `${kind}:shop:story-${stories}`;
  const ref: OperationRef = { tenantId: 'shop', operationId: workflowId, rootId: workflowId, kind, attempt: 1 };
  return core.runUntil(
    payments.runUntil(
      environment.client.workflow.execute<(ref: OperationRef) => Promise<Outcome>>(kind, {
        ...{ workflowId, taskQueue: TASK_QUEUES.core, args: [ref] },
      }),
    ),
  );
}

/** All runs of a workflow, from its latest back. */
async function runsOf(workflowId: string): Promise<{ readonly runs: number; readonly longest: number }> {
  const lengths: number[] = [];
  let runId: string | undefined;
  do {
    const { events = [] } = await environment.client.workflow.getHandle(workflowId, runId).fetchHistory();
    lengths.push(events?.length ?? 0);
    runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? '';
  } while (runId !== '');
  return { runs: lengths.length, longest: Math.max(...lengths) };
}

function assertAbout(actualMs: readonly number[], expectedS: readonly number[]): void {
  const isEach = expectedS.every((second, index) => {
    const actualS = (actualMs[index] ?? Number.NaN) / 1000;
    return actualS >= second && actualS < second + MARGIN_S * (index + 1);
  });
  assert.ok(isEach, `${actualMs.map((ms) => ms / 1000).join(', ')} instead of ${expectedS.join(', ')}`);
}

describe('without a word from the provider an order', () => {
  test('reads its payment after 5, 20 and 60 seconds, then every 5 minutes, and is paid by what it reads', async () => {
    const { outcome, reads, voids } = await tell({ status: 'needs_action', paidAfterMs: 12 * MINUTE_MS });
    assert.equal(outcome.status, 'succeeded');
    assertAbout(reads, [5, 20, 60, 360, 660, 960]);
    assert.deepEqual([reads.length, voids], [6, []]);
  });

  test('that nobody pays is given up when the buyer’s time is over, and takes the payment back', async () => {
    const { outcome, voids } = await tell({ status: 'needs_action' });
    assert.ok(outcome.status === 'failed');
    assert.equal(outcome.error.code, 'payment_abandoned');
    assertAbout(voids, [30 * 60]);
    assert.equal(voids.length, 1);
  });

  test('waits for days for a bank that takes its time, with its goods kept and in runs that stay short', async () => {
    const { outcome, runs, longest, kept, reads } = await tell({ status: 'processing', paidAfterMs: 3 * DAY_MS });
    assert.equal(outcome.status, 'succeeded');
    assert.ok(runs > 1, 'all of it in one run');
    assert.ok(longest <= 10_000, `${longest} events in a run`);
    assert.ok((kept[0] ?? 0) >= 30 * DAY_MS);
    assert.ok((reads.at(-1) ?? 0) >= 3 * DAY_MS && (reads.at(-1) ?? 0) < 3.01 * DAY_MS);
  });
});

describe('an order whose payment the provider does not know any more', () => {
  test('is unknown after three days, neither undone nor called failed', async () => {
    const { outcome, voids, left } = await tell({ status: 'processing', isMissing: true });
    assert.ok(outcome.status === 'unknown');
    assert.equal(outcome.error.code, 'payment_missing');
    assert.deepEqual(voids, []);
    assertAbout(left, [3 * 86_400]);
  });
});

describe('a refund of which the provider says nothing', () => {
  test('is unknown after a day, and never called failed', async () => {
    const unknown: RefundView = { state: 'unknown', amount: 500, isBegun: true, failureReason: null };
    const reads: number[] = [];
    const core = {
      openRefund: async () => ({ opened: true, value: unknown }),
      markOperation: async () => ({ status: 'waiting' }),
      closeOperation: async ({ outcome }) => ({ closed: true, seconds: 0, status: outcome.status }),
    } satisfies Partial<CheckoutActivities['core'] & OperationActivities>;
    const payments = {
      refundPayment: async () => unknown,
      readRefund: async ({ run }) => {
        reads.push(run.nowMs);
        return unknown;
      },
    } satisfies Partial<CheckoutActivities['payments']>;
    const outcome = await execute('refund', { core, payments });
    assert.ok(outcome.status === 'unknown');
    assert.equal(outcome.error.code, 'refund_unknown');
    assert.ok(reads.length > 280, `read ${reads.length} times in a day`);
  });
});

describe('the workflow of a cart', () => {
  test('goes on in another run after 500 looks, and misses none', async () => {
    const looks = 520;
    let seen = 0;
    const lookAtCart = async ({ nowMs }: { readonly ref: CartRef; readonly nowMs: number }): Promise<CartLook> => {
      seen += 1;
      return seen > looks ? { isDone: true, why: 'expired' } : { isDone: false, nextAtMs: nowMs + MINUTE_MS, waitsFor: 'end' };
    };
    const connection = environment.nativeConnection;
    const codePath = await useBundle();
    const worker = await Worker.create({
      connection,
      dataConverter,
      taskQueue: TASK_QUEUES.core,
      workflowBundle: { codePath },
      activities: { lookAtCart },
    });
    const ref: CartRef = { tenantId: 'shop', kind: 'cart', cartId: 'c1', keeper: 1 };
    const { why } = await worker.runUntil(
      environment.client.workflow.execute<(ref: CartRef) => Promise<{ readonly why: string }>>('cart', {
        ...{ workflowId: 'cart:shop:c1', taskQueue: TASK_QUEUES.core, args: [ref] },
      }),
    );
    assert.deepEqual([why, seen, (await runsOf('cart:shop:c1')).runs], ['expired', looks + 1, 2]);
  });
});
