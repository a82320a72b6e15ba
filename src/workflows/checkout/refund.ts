import { CancellationScope, continueAsNew, isCancellation } from '@temporalio/workflow';
import type { RefundView } from '../../activities/checkout/refund.ts';
import type { OperationRef, Outcome } from '../../contracts/pure/operations.ts';
import { isCutShort, type OperationControl, runOperation } from '../lib/operation.ts';
import { isRunFull } from '../lib/run-length.ts';
import { core, outside, readAfterMs } from './steps.ts';

/** Nobody has been able to say for so long what became of it. */
const GIVE_UP_UNKNOWN_MS = 86_400_000; // 1 day
const UNKNOWN: Outcome = {
  status: 'unknown',
  error: { code: 'refund_unknown', message: 'The provider does not say what became of the refund.', retryable: true },
};

/** Gives a part of a payment back, or all of it, and follows it to its end at the bank. Signals: pause, resume. */
export async function refund(ref: OperationRef) {
  return runOperation<RefundView>(ref, {
    open: core.openRefund,
    run: (_first, control) => giveBack(control, ref),
    settle: async (run) => {
      await outside.giveUpRefund({ run });
    },
  });
}

async function giveBack(control: OperationControl, ref: OperationRef): Promise<Outcome> {
  try {
    await control.checkpoint();
    let view = await outside.refundPayment({ run: control.run() });
    let unknownSinceMs = Infinity;
    for (let round = 0; view.state === 'pending' || view.state === 'unknown'; round += 1) {
      unknownSinceMs = view.state === 'unknown' ? Math.min(unknownSinceMs, Date.now()) : Infinity;
      if (Date.now() - unknownSinceMs >= GIVE_UP_UNKNOWN_MS) return UNKNOWN;
      // How long nothing was known is counted in one run: it is a day at most.
      if (unknownSinceMs === Infinity && isRunFull()) await continueAsNew<(next: OperationRef) => Promise<unknown>>(ref);
      await control.wait({ durationMs: readAfterMs(round), phase: 'pending' });
      view = await outside.readRefund({ run: control.run() });
    }
    return outcomeOf(view);
  } catch (error) {
    if (!isCancellation(error) && !isCutShort(error)) throw error;
    // What the provider has can't be taken back, so the cancel came too late.
    const view = await CancellationScope.nonCancellable(() => outside.giveUpRefund({ run: control.run() }));
    if (!view.isBegun) return { status: 'cancelled' };
    return outcomeOf(view.state === 'pending' ? { ...view, state: 'succeeded' } : view);
  }
}

function outcomeOf({ state, amount, failureReason }: RefundView): Outcome {
  if (state === 'succeeded') return { status: 'succeeded', result: { state, refundedAmount: amount } };
  const message = `The money could not be given back${failureReason === null ? '' : `: ${failureReason}`}.`;
  return { status: 'failed', error: { code: 'refund_failed', message, retryable: true }, result: { state, refundedAmount: 0 } };
}
