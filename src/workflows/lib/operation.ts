import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  isCancellation,
  proxyLocalActivities,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  sleep,
  TemporalFailure,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { OperationActivities } from '../../activities/operations.ts';
import { FAILURES } from '../../contracts/pure/failures.ts';
import { type Asked, MESSAGES } from '../../contracts/pure/messages.ts';
import type { FirstStep, OperationError, OperationRef, Outcome, RunRef } from '../../contracts/pure/operations.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/pure/search-attributes.ts';
import { PROFILES } from './profiles.ts';

const bookkeeping = proxyLocalActivities<OperationActivities>({ ...PROFILES.bookkeeping, summary: 'Bookkeeping' });

const phaseKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.phase, SearchAttributeType.KEYWORD);

export const pause = defineSignal<[Asked]>(MESSAGES.pause);
export const resume = defineSignal<[Asked]>(MESSAGES.resume);
export const status = defineQuery<OperationView>(MESSAGES.status);

/** What the `status` query shows in Web UI and CLI. */
export interface OperationView {
  readonly operationId: string;
  readonly phase: string;
  readonly isPaused: boolean;
}

/** What a feature's workflow is made of; everything around it is the same for all. */
export interface OperationPlan<T> {
  /** An activity that opens the row and, in the same go, does the first step; when that was all, it closes the row as well. */
  readonly open: (run: RunRef) => Promise<FirstStep<T>>;
  /** The work itself. Throws a Temporal failure, or returns how the operation ended. */
  readonly run: (first: T, control: OperationControl) => Promise<Outcome>;
  /** Finds out what became of effects that are still `sending`, when closing as cancelled must wait for them. */
  readonly settle?: (run: RunRef) => Promise<void>;
}

export interface OperationControl {
  /** What every activity is told: which run speaks and what time it is. Ask anew for each call. */
  run(): RunRef;
  /** Returns at once, or when someone resumes a paused operation. Called between steps. */
  checkpoint(): Promise<void>;
  /** Waits, shown as `waiting`; ends early when `until` holds. */
  wait(request: WaitRequest): Promise<void>;
  /** A step that people see in lists and streams. */
  mark(phase: string, message?: string): Promise<void>;
}

export interface WaitRequest {
  readonly durationMs: number;
  /** snake_case; shown as the operation's phase, and on the timer in Web UI. */
  readonly phase: string;
  readonly message?: string;
  readonly until?: () => boolean;
}

/**
 * The frame of every operation's workflow: opens the row under this run, runs the plan, closes the row with how it ended.
 *
 * - Losing the opening compare-and-set ends the workflow without an effect.
 * - A first step that was all there was to do has closed the row itself; nothing follows.
 * - A cancel stops the plan at its next step; the row is closed as cancelled once no effect is being sent any more.
 * - Failures that Temporal knows end the operation as `failed`; any other error is a bug, and stops the workflow task so that it can
 *   be mended and goes on.
 *
 * Its own commands are open, close and, when paused or waiting, marks: a fixed list, compared in a test.
 */
export async function runOperation<T>(ref: OperationRef, plan: OperationPlan<T>): Promise<Outcome | { readonly status: 'not_opened' }> {
  const control = createControl(ref);
  const opened = await CancellationScope.nonCancellable(() => plan.open(control.run()));
  if (!opened.opened || 'ended' in opened) {
    await handlersFinished();
    return opened.opened ? opened.ended : { status: 'not_opened' };
  }
  const outcome = await outcomeOf(() => plan.run(opened.value, control));
  const isCancelRequested = CancellationScope.current().consideredCancelled;
  await CancellationScope.nonCancellable(async () => {
    await handlersFinished();
    await close({ run: control.run, plan, outcome, isCancelRequested });
    await handlersFinished();
  });
  return outcome;
}

/** Waits only when there is something to wait for: every promise in a workflow costs the worker the trace of its stack. */
async function handlersFinished(): Promise<void> {
  if (!allHandlersFinished()) await condition(allHandlersFinished);
}

function createControl(ref: OperationRef): OperationControl {
  let phase = 'running';
  let isPaused = false;
  const run = (): RunRef => ({ ...ref, runId: workflowInfo().runId, nowMs: Date.now() });
  setHandler(
    pause,
    () => {
      isPaused = true;
    },
    { description: 'Holds the operation before its next step.' },
  );
  setHandler(
    resume,
    () => {
      isPaused = false;
    },
    { description: 'Lets a paused operation go on.' },
  );
  setHandler(status, () => ({ operationId: ref.operationId, phase, isPaused }), { description: 'Where the operation is.' });

  // Whatever else is sent leaves an audit row too, and otherwise nothing.
  setDefaultSignalHandler(() => undefined);

  async function show(mark: { status: 'running' | 'waiting'; phase: string; message?: string; paused?: boolean }): Promise<void> {
    phase = mark.phase;
    setCurrentDetails(mark.message === undefined ? `**${mark.phase}**` : `**${mark.phase}**: ${mark.message}`);
    upsertSearchAttributes([{ key: phaseKey, value: mark.phase }]);
    await bookkeeping.markOperation({ run: run(), mark });
  }

  async function checkpoint(): Promise<void> {
    if (!isPaused) return;
    const before = phase;
    await show({ status: 'waiting', phase: 'paused', paused: true });
    await condition(() => !isPaused);
    await show({ status: 'running', phase: before, paused: false });
  }

  async function wait({ durationMs, phase: waiting, message, until = () => false }: WaitRequest): Promise<void> {
    const endsAt = Date.now() + durationMs;
    const marked = { status: 'waiting', phase: waiting, ...(message === undefined ? {} : { message }) } as const;
    await show(marked);
    for (let leftMs = durationMs; leftMs > 0 && !until(); leftMs = endsAt - Date.now()) {
      await condition(() => isPaused || until(), leftMs, { summary: waiting });
      if (!isPaused) break;
      await checkpoint();
      await show(marked);
    }
    await show({ status: 'running', phase: 'running' });
  }

  const mark = (next: string, message?: string): Promise<void> =>
    show({ status: 'running', phase: next, ...(message === undefined ? {} : { message }) });
  return { run, checkpoint, wait, mark };
}

async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    if (isCancellation(error) || isCutShort(error)) return { status: 'cancelled' };
    if (error instanceof TemporalFailure) return { status: 'failed', error: describeFailure(error) };
    throw error;
  }
}

/** A step whose process died after the cancel was asked for: Temporal gives it to nobody again, so what it began is found out in closing. */
export function isCutShort(error: unknown): boolean {
  return error instanceof ActivityFailure && error.retryState === 'CANCEL_REQUESTED';
}

interface Closing {
  readonly run: () => RunRef;
  readonly plan: Pick<OperationPlan<unknown>, 'settle'>;
  readonly outcome: Outcome;
  readonly isCancelRequested: boolean;
}

async function close({ run, plan, outcome, isCancelRequested }: Closing): Promise<void> {
  for (;;) {
    const closed = await bookkeeping.closeOperation({ run: run(), outcome, isCancelRequested });
    if (closed.closed) return;
    // Terminal `cancelled` promises that nothing happens afterwards, so it waits until every effect is known.
    await sleep(closed.retryInMs, { summary: 'waiting for an effect that is being sent' });
    await plan.settle?.(run());
  }
}

/** What an operation's `error` says of a failure: by type, never by message text of others. */
export function describeFailure(error: TemporalFailure): OperationError {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) return { code: 'timed_out', message: 'A step took longer than it may.', retryable: true };
  if (cause instanceof ApplicationFailure) {
    const known = Object.entries(FAILURES).find(([type]) => type === cause.type)?.[1];
    if (known !== undefined) return { code: known.code, message: cause.message, retryable: known.retryable };
  }
  return { code: 'internal', message: 'A step failed for a reason that is in the logs.', retryable: true };
}
