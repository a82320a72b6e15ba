import type { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure, type Headers, TemporalFailure } from '@temporalio/common';
import type { Logger } from 'pino';
import { uuidv7 } from 'uuidv7';
import type { OperationRef } from '../../contracts/pure/operations.ts';
import type { TimelineLog } from './timeline-log.ts';

/** The part of the SDK's interceptor interface that is used here; its own types live in the worker package. */
export interface ActivityInbound {
  execute(input: ActivityInput, next: (input: ActivityInput) => Promise<unknown>): Promise<unknown>;
}

interface ActivityInput {
  readonly args: unknown[];
  readonly headers: Headers;
}

export interface ActivityObserver {
  readonly timeline: TimelineLog;
  readonly log: Logger;
  /** A workflow's step has begun in this process. */
  readonly onStart: (workflowId: string) => void;
  /** Counts attempts for the metrics. */
  readonly onEnd: (activity: string, outcome: 'succeeded' | 'failed' | 'cancelled', seconds: number) => void;
}

/** Activities that only keep the books: their attempts are not shown as steps. */
const BOOKKEEPING: ReadonlySet<string> = new Set(['markOperation', 'closeOperation', 'recordMessage']);
const TIMED_OUT = { type: 'TimedOut', message: 'The attempt took longer than it may.' };
/** At these attempts someone should look. */
const ALERT_ATTEMPTS: ReadonlySet<number> = new Set([10, 50, 100, 500]);

/**
 * Around every attempt at every activity: a timeline entry, a log line, a metric, and failures whose text holds nothing personal, since
 * Temporal stores it.
 */
export function createActivityInterceptor(observer: ActivityObserver) {
  return (context: Context): { readonly inbound: ActivityInbound } => ({
    inbound: { execute: (input, next) => observe({ observer, context, input, next }) },
  });
}

interface Observed {
  readonly observer: ActivityObserver;
  readonly context: Context;
  readonly input: ActivityInput;
  readonly next: (input: ActivityInput) => Promise<unknown>;
}

async function observe({ observer, context, input, next }: Observed): Promise<unknown> {
  const { info } = context;
  const ref = refOf(input.args[0]);
  const entry = ref === undefined || BOOKKEEPING.has(info.activityType) ? undefined : begin(observer, context, ref);
  const startedAt = performance.now();
  observer.onStart(info.workflowExecution?.workflowId ?? '');
  const finish = (outcome: 'succeeded' | 'failed' | 'cancelled', error?: { type: string; message: string }): void => {
    observer.onEnd(info.activityType, outcome, (performance.now() - startedAt) / 1000);
    if (entry !== undefined)
      observer.timeline.write({ ...entry, finishedAt: new Date(), outcome, ...(error === undefined ? {} : { error }) });
  };
  try {
    const result = await next(input);
    // What it gave back after its time was up, Temporal has not taken.
    if (context.cancellationDetails?.timedOut === true) finish('failed', TIMED_OUT);
    else finish('succeeded');
    return result;
  } catch (error) {
    const failure = cleanFailure(error);
    finish(failure instanceof CancelledFailure ? 'cancelled' : 'failed', { type: typeOf(failure), message: failure.message });
    const fields = {
      activity: info.activityType,
      attempt: info.attempt,
      type: typeOf(failure),
      tenantId: ref?.tenantId,
      operationId: ref?.operationId,
    };
    if (ALERT_ATTEMPTS.has(info.attempt)) observer.log.error(fields, 'activity keeps failing');
    else if (!(failure instanceof CancelledFailure)) observer.log.warn(fields, 'activity attempt failed');
    throw failure;
  }
}

function begin(observer: ActivityObserver, { info }: Context, ref: OperationRef) {
  const entry = {
    id: uuidv7(),
    tenantId: ref.tenantId,
    operationId: ref.operationId,
    runId: info.workflowExecution?.runId ?? '',
    activityId: info.activityId,
    activity: info.activityType,
    attempt: info.attempt,
    startedAt: new Date(),
  };
  observer.timeline.write(entry);
  return entry;
}

/** Failures that we made ourselves say what they say; of all others only their class is told, as their text may quote anything. */
function cleanFailure(error: unknown): TemporalFailure {
  if (error instanceof TemporalFailure) return error;
  const name = error instanceof Error ? error.name : 'NonError';
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  const clean = ApplicationFailure.retryable(`${name}${code}`, name);
  clean.stack = `${name}${code}`;
  return clean;
}

function typeOf(failure: TemporalFailure): string {
  return failure instanceof ApplicationFailure ? (failure.type ?? 'ApplicationFailure') : failure.name;
}

/** Every activity takes one object that is an operation's reference, or has one as `run` or `ref`. */
function refOf(argument: unknown): OperationRef | undefined {
  if (typeof argument !== 'object' || argument === null) return undefined;
  if ('operationId' in argument && 'tenantId' in argument) return argument as OperationRef;
  if ('run' in argument) return refOf(argument.run);
  return 'ref' in argument ? refOf(argument.ref) : undefined;
}
