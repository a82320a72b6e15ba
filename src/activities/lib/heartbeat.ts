import { Context } from '@temporalio/activity';

const BEAT_EVERY_MS = 2_000;

/** Runs `work` with a heartbeat at once and every 2 s, so that a killed worker is noticed and a cancel arrives. */
export async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  context.heartbeat();
  const beat = setInterval(() => context.heartbeat(), BEAT_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
  }
}

/** Waits in an activity; rejects when the activity is cancelled or its process stops. */
export function sleepInActivity(ms: number): Promise<void> {
  return Context.current().sleep(ms);
}

/** Between steps: rejects with Temporal's own failure when the activity was cancelled or its process stops. */
export async function stopIfCancelled(): Promise<void> {
  const context = Context.current();
  if (context.cancellationSignal.aborted) await context.cancelled;
}
