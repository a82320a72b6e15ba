import { recordHistory } from '../../scripts/record-histories.ts';
import { eventually } from '../support/eventually.ts';
import type { Core } from '../support/core.ts';

interface LongRun {
  readonly workflowId: string;
  /** `<workflow>/<case>` under test/replay. */
  readonly output: string;
  /** Makes the run longer. */
  readonly nudge?: () => Promise<void>;
}

/** Records the first run of a workflow as soon as another one has gone on with it. */
export async function recordFirstRun({ ground, serving }: Core, { workflowId, output, nudge }: LongRun): Promise<void> {
  const handle = serving.temporal.client.workflow.getHandle(workflowId);
  const runId = await eventually(
    async () => {
      await nudge?.();
      const { runId: now, raw } = await handle.describe();
      const first = raw.workflowExecutionInfo?.firstRunId ?? now;
      return first === now ? undefined : first;
    },
    { timeoutMs: 150_000, intervalMs: 500 },
  );
  await recordHistory({ address: ground.temporalAddress, namespace: ground.namespace, workflowId, runId, output });
}
