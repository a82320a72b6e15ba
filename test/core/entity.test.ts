import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { WorkflowNotFoundError } from '@temporalio/client';
import { eventually } from '../support/eventually.ts';
import { useCore } from '../support/core-fixture.ts';
import type { TallyState } from '../support/workflows/tally.ts';

const MESSAGES = 10_000;
const AT_ONCE = 16;
/** Unhandled messages at most; see runEntity. */
const WINDOW = 400;
/** Every fiftieth message is sent twice, as a sender does that saw no answer. */
const REPEAT_EVERY = 50;

const fixture = useCore();

test('an entity takes 10,000 messages over several runs: none lost, none doubled', async () => {
  const { client } = fixture.core().serving.temporal;
  const state: TallyState = { count: 0, sum: 0, goal: MESSAGES, runs: 0 };
  const handle = await client.workflow.start('tally', { workflowId: `tally:${randomUUID()}`, taskQueue: 'core', args: [{ state }] });
  // Without a run id: messages go to whichever run is there.
  const entity = client.workflow.getHandle(handle.workflowId);
  let next = 0;
  let handled = 0;
  let looking: Promise<void> | undefined;
  /** One look at a time, for all senders. */
  async function keepWindow(index: number): Promise<void> {
    while (index - handled > WINDOW) {
      looking ??= look();
      await looking;
    }
  }
  async function look(): Promise<void> {
    handled = await eventually(
      async () => {
        const seen = await entity.query<number>('handledCount');
        return seen > handled ? seen : undefined;
      },
      { intervalMs: 100, timeoutMs: 30_000 },
    );
    looking = undefined;
  }
  async function send(): Promise<void> {
    for (let index = next++; index < MESSAGES; index = next++) {
      const message = { id: String(index), amount: index };
      await keepWindow(index);
      await entity.signal('add', message);
      if (index % REPEAT_EVERY === 0) await entity.signal('add', message).catch(forgiveEnded);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  const end: TallyState = await handle.result();
  assert.equal(end.count, MESSAGES);
  assert.equal(end.sum, (MESSAGES * (MESSAGES - 1)) / 2);
  assert.ok(end.runs >= 10, `${end.runs} runs`);
});

/** A repeated message may come when all of them were handled and the entity has ended. */
function forgiveEnded(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}
