import { Context } from '@temporalio/activity';
import { outcomeOfEmail } from '../../contracts/pure/email.ts';
import type { EmailProgress } from '../../contracts/pure/email.ts';
import type { FirstStep, Outcome } from '../../contracts/pure/operations.ts';
import type { EffectEnd, EffectRef, EffectRow } from '../../store/effects.ts';
import type { EffectContext } from '../lib/effect.ts';
import { createPatience, type Patience } from '../lib/patience.ts';
import { count, type Job, serve, type ServingDeps } from './serve.ts';

/** Connecting included: the step may take 2 s in all. */
const LIMIT_MS = 1_400;
/** What a killed sender has begun is asked for only when its time is up, so this is short; the same for an answer that does not come. */
const ASKABLE_BUDGET_MS = 1_200;
/** Where nobody can be asked, an answer is worth all the patience that there is. */
const BUDGET_MS = 30_000;

export interface FirstTryDeps extends ServingDeps {
  readonly onClosed: (closing: { readonly kind: string; readonly status: string; readonly seconds: number }) => void;
}

/**
 * Tries each recipient once. The answer to a body that comes too late for the step is waited for in the background, and found by the
 * next step. What becomes of the only recipient ends the operation in the same transaction.
 */
export async function firstTry(deps: FirstTryDeps, job: Job, rows: readonly EffectRow[]): Promise<FirstStep<EmailProgress>> {
  const patience = createPatience(LIMIT_MS, Context.current().cancellationSignal);
  const budgetMs = deps.mailer.lookup === undefined ? BUDGET_MS : ASKABLE_BUDGET_MS;
  const closing = rows.length === 1 ? createClosing(deps, job, patience) : undefined;
  try {
    const value = await serve(deps, job, { rows, budgetMs, isSettling: false, patience, ...closing?.serving });
    const ended = closing?.ended();
    return ended === undefined ? { opened: true, value } : { opened: true, ended };
  } finally {
    patience.stop();
  }
}

/**
 * Ends the operation with its only effect, unless the workflow goes on without waiting for it. It ends when the answer came: the time
 * that the workflow gave us is that of the beginning.
 */
function createClosing({ store, onClosed }: FirstTryDeps, job: Job, patience: Patience) {
  const beganMs = performance.now();
  let ended: Outcome | undefined;
  const record: EffectContext['record'] = async (ref: EffectRef, how: EffectEnd) => {
    if ((how.state !== 'done' && how.state !== 'refused') || !patience.isInTime()) return store.effects.end(ref, how);
    const outcome = outcomeOfEmail(count(job, { standings: [how.state], isPutOff: false }));
    const run = { ...job.run, nowMs: job.run.nowMs + Math.round(performance.now() - beganMs) };
    const { fence, closed, seconds } = await store.lifecycle.closeWithEffect({ run, outcome }, ref, how);
    if (closed) {
      ended = outcome;
      onClosed({ kind: job.run.kind, status: outcome.status, seconds });
    }
    return fence;
  };
  return { serving: { record }, ended: () => ended };
}
