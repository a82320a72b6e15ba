import { setTimeout as sleep } from 'node:timers/promises';
import type { FeatureWorld } from './feature.ts';
import type { Answer, CallOptions, Product } from './product.ts';

const MAX_OPEN = 64;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 800;

/** A closed loop of clients over HTTP: at most 64 operations are open, and each client repeats its request until it is answered. */
export class Load {
  /** Requests that had to be repeated. */
  repeats = 0;
  readonly #product: Product;
  readonly #world: FeatureWorld;
  readonly #stop = new AbortController();
  #limit = 0;
  #next = 0;
  #open = 0;
  #isHeld = false;
  readonly #lives: Promise<void>[] = [];
  readonly #errors: Error[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(product: Product, world: FeatureWorld) {
    this.#product = product;
    this.#world = world;
  }

  /** What clients were told that no client should be told. */
  get errors(): readonly Error[] {
    return this.#errors;
  }

  /** It did not end in time, so nothing more is begun. */
  get isGivenUp(): boolean {
    return this.#stop.signal.aborted;
  }

  get open(): number {
    return this.#open;
  }

  get posted(): number {
    return this.#next;
  }

  /** Where the API is, for clients that are processes of their own. */
  api(): { readonly endpoint: string; readonly apiKey: string } {
    return { endpoint: `${this.#product.endpoints['api']}/v1/uploads`, apiKey: this.#product.apiKey };
  }

  /** Lets the loop post operations up to, not including, this ordinal. */
  allow(limit: number): void {
    this.#limit = Math.max(this.#limit, limit);
    this.#tell();
  }

  /** Posts one after another, up to `count`, or until `giveUp` is called. */
  async post(count: number): Promise<void> {
    while (this.#next < count && !this.#stop.signal.aborted) {
      if (this.#isHeld || this.#next >= this.#limit || this.#open >= MAX_OPEN) await this.#changed.promise;
      else this.#begin(this.#next++, () => undefined);
    }
  }

  /** Posts these beside the loop, which must hold; resolves when all are acknowledged or have ended. */
  async postAside(ordinals: readonly number[]): Promise<void> {
    await Promise.all(
      ordinals.map((ordinal) => {
        const acknowledged = Promise.withResolvers<void>();
        return Promise.race([acknowledged.promise, this.#begin(ordinal, acknowledged.resolve)]);
      }),
    );
  }

  /** Resolves when every operation that was posted so far has ended, or the load was given up. */
  async ended(): Promise<void> {
    await Promise.all(this.#lives);
  }

  /** Holds the loop and waits until so many places are free. */
  async hold(places: number): Promise<void> {
    this.#isHeld = true;
    while (this.#open > MAX_OPEN - places && !this.#stop.signal.aborted) await this.#changed.promise;
  }

  release(): void {
    this.#isHeld = false;
    this.#tell();
  }

  /** What still waits ends now, as it is. */
  giveUp(): void {
    this.#stop.abort();
    this.#tell();
  }

  /** Pauses a client; rejects when the load was given up. */
  pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#stop.signal });
  }

  /** Asks until an answer comes that is no 5xx and no 429. */
  async ask(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      const answer = await this.#product.call(method, path, options).catch(() => undefined);
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer;
      this.repeats += 1;
      await this.pause(pauseMs);
    }
  }

  #begin(ordinal: number, onAcknowledged: () => void): Promise<void> {
    const life = this.#live(ordinal, onAcknowledged);
    this.#lives.push(life);
    return life;
  }

  async #live(ordinal: number, onAcknowledged: () => void): Promise<void> {
    this.#open += 1;
    try {
      await this.#world.live(ordinal, this, onAcknowledged);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#errors.push(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#open -= 1;
      this.#tell();
    }
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
