import { Worker } from 'node:worker_threads';
import { OCTETS } from '../../contracts/files/types.ts';
import type { Checked } from './check.ts';
import type { CheckLimits } from './inspection.ts';

/** Of JavaScript objects. What is unpacked is bounded by the limits of the check. */
const HEAP = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };
const MAIN = new URL('thread-main.ts', import.meta.url);
const IDLE_MS = 10_000;

export interface ThreadTask {
  readonly path: string;
  readonly fileName: string;
  readonly declaredType: string | undefined;
  readonly limits: CheckLimits;
}

export type ThreadAnswer = { readonly checked: Checked } | { /** The machine, not the file. */ readonly failed: string };

export interface ThreadTime {
  readonly deadlineMs: number;
  /** A look that had less of a processor by then was held up by others, and says nothing of the file. */
  readonly minCpuMs: number;
  /** What the process has had so far. Unpacking is done beside the thread, so that of the thread alone would not tell. */
  readonly cpuMs: () => number;
}

interface IdleThread {
  readonly worker: Worker;
  readonly timer: NodeJS.Timeout;
}

/**
 * Threads that check, so that a file that makes a reader run for ever, or take all memory, costs a thread and no process. One that answered
 * waits a while for the next file; one that didn't is ended.
 */
export class CheckThreads {
  readonly #idle: IdleThread[] = [];
  readonly #time: ThreadTime;
  #looking = 0;

  constructor(time: ThreadTime) {
    this.#time = time;
  }

  /** @throws {Error} when the file can't be read, or the machine is too busy; and the signal's reason when it is aborted */
  async check(task: ThreadTask, signal: AbortSignal): Promise<Checked> {
    signal.throwIfAborted();
    const worker = this.#take();
    const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>();
    const { deadlineMs, minCpuMs, cpuMs } = this.#time;
    const cpuBeforeMs = cpuMs();
    this.#looking += 1;
    const timer = setTimeout(() => {
      const hadMs = (cpuMs() - cpuBeforeMs) / this.#looking;
      if (hadMs >= minCpuMs) resolve(unknown('check_timed_out'));
      else reject(new Error('The machine was too busy to look into the file in time.'));
    }, deadlineMs);
    const stop = (): void => reject(signal.reason);
    const onMessage = (answer: ThreadAnswer): void => {
      isUsable = true;
      resolve(answer);
    };
    const onError = (error: unknown): void => resolve(unknown('check_failed', error));
    const onExit = (): void => resolve(unknown('check_failed'));
    let isUsable = false;
    worker.once('message', onMessage).once('error', onError).once('exit', onExit);
    signal.addEventListener('abort', stop, { once: true });
    worker.postMessage(task, []);
    try {
      const answer = await promise;
      if ('checked' in answer) return answer.checked;
      throw new Error(`The file could not be read: ${answer.failed}.`);
    } finally {
      clearTimeout(timer);
      this.#looking -= 1;
      signal.removeEventListener('abort', stop);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      if (isUsable) this.#giveBack(worker);
      else await end(worker);
    }
  }

  #take(): Worker {
    const idle = this.#idle.pop();
    if (idle === undefined) return new Worker(MAIN, { resourceLimits: HEAP, stdout: true, stderr: true });
    clearTimeout(idle.timer);
    idle.worker.ref();
    return idle.worker;
  }

  #giveBack(worker: Worker): void {
    worker.unref();
    const entry: IdleThread = {
      worker,
      timer: setTimeout(() => {
        this.#idle.splice(this.#idle.indexOf(entry), 1);
        void end(worker);
      }, IDLE_MS).unref(),
    };
    this.#idle.push(entry);
  }
}

async function end(worker: Worker): Promise<void> {
  // It may fail while it is ended, and nobody waits for that any more.
  worker.on('error', () => undefined);
  await worker.terminate();
}

function unknown(code: 'check_timed_out' | 'check_failed', error?: unknown): ThreadAnswer {
  const isMemory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return { checked: { type: OCTETS, findings: [isMemory ? { code, detail: 'it took too much memory' } : { code }] } };
}
