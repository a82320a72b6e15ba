import { sleep } from '@temporalio/workflow';

export async function runOperation(): Promise<void> {
  await sleep('1s', { summary: 'Waits' });
}
