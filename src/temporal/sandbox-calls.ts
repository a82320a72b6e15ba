const RUN_ID_BYTES = 64;

/** Room for one thread's count. */
export const CALLS_BYTES = Int32Array.BYTES_PER_ELEMENT + RUN_ID_BYTES;

/** What a thread is given. */
export interface ThreadData {
  readonly calls: SharedArrayBuffer;
}

export function isThreadData(data: unknown): data is ThreadData {
  return typeof data === 'object' && data !== null && 'calls' in data && data.calls instanceof SharedArrayBuffer;
}

/**
 * Calls into workflow code, counted in memory that two threads share: up by one on the way in and on the way out, so that an odd number
 * that stays is a call that lasts.
 */
export class CallCount {
  readonly #count: Int32Array;
  readonly #runId: Uint8Array;
  #written = '';

  constructor(shared: SharedArrayBuffer) {
    this.#count = new Int32Array(shared, 0, 1);
    this.#runId = new Uint8Array(shared, Int32Array.BYTES_PER_ELEMENT, RUN_ID_BYTES);
  }

  /** `runId`: whose call it is, as far as that is known. */
  enter(runId: string): void {
    if (runId !== this.#written) this.#write(runId);
    Atomics.add(this.#count, 0, 1);
  }

  leave(): void {
    Atomics.add(this.#count, 0, 1);
  }

  /** The number of the call that is going on; undefined: none is. */
  current(): number | undefined {
    const count = Atomics.load(this.#count, 0);
    return count % 2 === 0 ? undefined : count;
  }

  /** Whose the call is that is going on. */
  runId(): string {
    return String.fromCharCode(...this.#runId.filter((code) => code !== 0));
  }

  /** Ids are ASCII. */
  #write(runId: string): void {
    this.#written = runId;
    this.#runId.fill(0);
    for (let i = 0; i < runId.length && i < RUN_ID_BYTES; i += 1) this.#runId[i] = runId.charCodeAt(i);
  }
}
