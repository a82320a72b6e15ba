import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Clock } from '../contracts/clock.ts';
import { type CartWorkflowIdParts, cartOfWorkflowId, cartWorkflowId } from '../contracts/pure/ids.ts';
import type { Store } from '../store/index.ts';
import { describeWorkflow } from './described.ts';
import { type Job, startJob } from './job.ts';

/** How far back a sweep looks for workflows that ended since the last one. */
const LOOK_BACK_MS = 120_000;
/** A workflow that is so late is looked for. */
const OVERDUE_MS = 60_000;
const PER_SWEEP = 200;
const LISTED_AT_ONCE = 500;
const MAX_LISTED = 10_000;

export interface CartKeepersDeps {
  readonly store: Store;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs: number;
}

/**
 * Begins the workflow of a cart again that an operator's tool has terminated, cancelled or deleted: the rows still say what is due, and
 * somebody must look at them. Those that ended a moment ago are listed; those that ended while nobody looked show by being overdue.
 */
export function startCartKeepers(deps: CartKeepersDeps): Job {
  return startJob({
    name: 'cart-keepers',
    everyMs: deps.everyMs,
    log: deps.log,
    async turn() {
      const overdue = await deps.store.system.checkout.overdueCarts(new Date(deps.clock().getTime() - OVERDUE_MS), PER_SWEEP);
      const lost = await Promise.all(overdue.map(async (keeper) => ({ keeper, isRunning: await isRunning(deps.client, keeper) })));
      const ended = [...(await endedBeforeTheirTime(deps)), ...lost.filter((one) => !one.isRunning).map(({ keeper }) => keeper)];
      for (const keeper of ended) await keepAgain(deps, keeper);
      return false;
    },
  });
}

async function endedBeforeTheirTime({ client, clock, everyMs }: CartKeepersDeps): Promise<readonly CartWorkflowIdParts[]> {
  const since = new Date(clock().getTime() - LOOK_BACK_MS - everyMs).toISOString();
  const query = `WorkflowType = "cart" AND ExecutionStatus IN ("Terminated", "Canceled", "Failed", "TimedOut") AND CloseTime > "${since}"`;
  const ended: CartWorkflowIdParts[] = [];
  for await (const { workflowId } of client.workflow.list({ query, pageSize: LISTED_AT_ONCE })) {
    const keeper = cartOfWorkflowId(workflowId);
    if (keeper !== undefined) ended.push(keeper);
    if (ended.length === MAX_LISTED) break;
  }
  return ended;
}

async function isRunning(client: Client, keeper: CartWorkflowIdParts): Promise<boolean> {
  return (await describeWorkflow(client, cartWorkflowId(keeper)))?.status.name === 'RUNNING';
}

async function keepAgain({ store, clock, log }: CartKeepersDeps, keeper: CartWorkflowIdParts): Promise<void> {
  const { tenantId, cartId } = keeper;
  if (await store.carts.keepAgain(keeper, clock())) log.warn({ tenantId, cartId }, 'began the workflow of a cart again');
}
