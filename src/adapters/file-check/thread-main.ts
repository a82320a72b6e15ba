import { parentPort } from 'node:worker_threads';
import { checkContent } from './check.ts';
import { openSource } from './source.ts';
import type { ThreadAnswer, ThreadTask } from './thread.ts';

/** Looks into files, one after the other. It may hang or run out of memory; whoever started it ends it then. */
parentPort?.on('message', (task: ThreadTask) => {
  // The empty list tells linters that this is no window.
  void answerTo(task).then((answer) => parentPort?.postMessage(answer, []));
});

async function answerTo({ path, fileName, declaredType, limits }: ThreadTask): Promise<ThreadAnswer> {
  try {
    await using source = await openSource(path);
    return { checked: await checkContent({ source, fileName, declaredType }, limits) };
  } catch (error) {
    return { failed: error instanceof Error ? error.name : 'unknown' };
  }
}
