import { sleep } from '@temporalio/workflow';

/** Waits, and tells at what time it woke up. Proves that a server runs workflows and keeps or skips time. */
export async function nap({ durationMs }: { durationMs: number }): Promise<{ wokeAt: number }> {
  await sleep(durationMs, { summary: 'The nap' });
  return { wokeAt: Date.now() };
}
