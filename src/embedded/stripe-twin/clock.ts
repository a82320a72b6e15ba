/** Time as the simulator sees it: the machine's, moved ahead on demand, so that days of waiting pass in a test. */
export class VirtualClock {
  #offsetMs = 0;
  #frozenAtMs: number | undefined;

  get offsetMs(): number {
    return this.#offsetMs;
  }

  nowMs(): number {
    return this.#frozenAtMs ?? Date.now() + this.#offsetMs;
  }

  /** As Stripe writes instants. */
  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1000);
  }

  /** Used by replay; time does not run backwards by it, since each entry of the journal carries a larger offset or the same. */
  setOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  /** What falls due on the way to a later instant happens at its own instant, not at the end. */
  runAt<T>(instantMs: number, action: () => T): T {
    this.#frozenAtMs = instantMs;
    try {
      return action();
    } finally {
      this.#frozenAtMs = undefined;
    }
  }
}
