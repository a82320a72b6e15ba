import * as z from 'zod';
import type { Kind } from '../../src/contracts/kinds.ts';
import type { RunRef } from '../../src/contracts/pure/operations.ts';
import type { Store } from '../../src/store/index.ts';

const ProbeStep = z.strictObject({
  do: z.enum(['mark', 'effect', 'wait', 'signal', 'fail', 'bug', 'vanish', 'twist', 'stumble']),
  phase: z.string().optional(),
  durationMs: z.int().optional(),
});

const ProbeInput = z.strictObject({ steps: z.array(ProbeStep), name: z.string().optional() });

/** A kind that only tests know: its input says what its workflow does. */
export const PROBE_KIND: Kind = {
  name: 'probe',
  feature: 'core',
  title: 'A probe of the core',
  content: ProbeInput,
  result: z.object({ steps: z.int() }),
  workflow: 'probe',
  queue: 'core',
  unit: 'steps',
  scopes: { start: 'probe:write', read: 'probe:read' },
  example: { steps: [{ do: 'mark' }] },
  signals: { advance: z.strictObject({ reason: z.string().optional() }) },
};

export interface ProbeStepRequest {
  readonly run: RunRef;
  readonly step: string;
}

/** What the probe's activities did, in the order in which it happened. */
export interface ProbeLog {
  readonly done: string[];
  readonly undone: string[];
  /** Lets the steps end that behave as if their process had died. */
  readonly vanished: (() => void)[];
}

export function createProbeActivities(store: Store, log: ProbeLog) {
  return {
    async readProbe(run: RunRef) {
      const row = await store.operations.get(run.tenantId, run.operationId);
      return ProbeInput.parse(row?.input);
    },
    async doProbe({ step }: ProbeStepRequest) {
      log.done.push(step);
      return {};
    },
    /** Neither beats nor answers, as a step whose process was killed. */
    async vanishProbe(_run: RunRef) {
      await new Promise<void>((resolve) => log.vanished.push(resolve));
      return {};
    },
    async undoProbe({ step }: ProbeStepRequest) {
      log.undone.push(step);
      return {};
    },
  };
}

export type ProbeActivities = ReturnType<typeof createProbeActivities>;
