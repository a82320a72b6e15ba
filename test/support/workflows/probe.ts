import {
  ApplicationFailure,
  condition,
  defineSignal,
  defineUpdate,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { OperationActivities } from '../../../src/activities/operations.ts';
import type { OperationRef } from '../../../src/contracts/pure/operations.ts';
import { runOperation } from '../../../src/workflows/lib/operation.ts';
import { PROFILES } from '../../../src/workflows/lib/profiles.ts';
import { createSaga } from '../../../src/workflows/lib/saga.ts';
import type { ProbeActivities } from '../probe.ts';

const { openOperation } = proxyLocalActivities<OperationActivities>({ ...PROFILES.bookkeeping, summary: 'Open' });
const mortal = proxyActivities<ProbeActivities>({ ...PROFILES.outside, heartbeatTimeout: '1s', summary: 'Probe that dies' });
const probes = proxyActivities<ProbeActivities>({ ...PROFILES.outside, summary: 'Probe' });

export const advance = defineSignal<[{ actor?: string; reason?: string }]>('advance');
export const advanceNow = defineUpdate<{ advances: number }, [{ actor?: string; reason?: string }]>('advanceNow');

/** Goes through every way an operation can go, as its input says. */
export async function probe(ref: OperationRef) {
  let advances = 0;
  setHandler(advance, () => {
    advances += 1;
  });
  setHandler(advanceNow, () => {
    advances += 1;
    return { advances };
  });
  return runOperation(ref, {
    open: openOperation,
    async run(_first, control) {
      const saga = createSaga();
      const input = await probes.readProbe(control.run());
      try {
        for (const step of input.steps) {
          await control.checkpoint();
          switch (step.do) {
            case 'mark':
              await control.mark(step.phase ?? 'marked');
              break;
            case 'effect':
              saga.register(() => probes.undoProbe({ run: control.run(), step: step.phase ?? 'effect' }));
              await probes.doProbe({ run: control.run(), step: step.phase ?? 'effect' });
              break;
            case 'wait':
              await control.wait({ durationMs: step.durationMs ?? 60_000, phase: 'resting' });
              break;
            case 'signal': {
              const before = advances;
              await control.mark('held');
              await condition(() => advances > before);
              break;
            }
            case 'vanish':
              await control.mark('vanishing');
              await mortal.vanishProbe(control.run());
              break;
            case 'twist':
              // Another way than the first time, as a history goes that can't be replayed.
              if (workflowInfo().unsafe.isReplaying) await sleep(1);
              await probes.doProbe({ run: control.run(), step: step.phase ?? 'twist' });
              break;
            case 'stumble': {
              // The first run only: its worker forgets it, and goes through the past again.
              const { runId, firstExecutionRunId } = workflowInfo();
              if (runId === firstExecutionRunId) throw new Error('a stumble of the workflow');
              break;
            }
            case 'fail':
              throw ApplicationFailure.nonRetryable('The probe was told to fail.', 'Rejected');
            case 'bug':
              throw new Error('a bug in the workflow');
          }
        }
      } catch (error) {
        await saga.compensate();
        throw error;
      }
      return { status: 'succeeded', result: { steps: input.steps.length } };
    },
  });
}
