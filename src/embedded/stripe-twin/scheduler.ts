import type { Deliveries } from './deliveries.ts';
import type { Engine } from './engine.ts';

const LONGEST_WAIT_MS = 60_000;

/** Wakes when something falls due. */
export class Scheduler {
  readonly #engine: Engine;
  readonly #deliveries: Deliveries;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(engine: Engine, deliveries: Deliveries) {
    this.#engine = engine;
    this.#deliveries = deliveries;
    engine.onCommit(() => this.#plan());
    this.#plan();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const tasks = this.#engine.state.all('task').reduce((soonest, { dueMs }) => Math.min(soonest, dueMs), Infinity);
    const waitMs = Math.min(tasks, this.#deliveries.nextDueMs()) - this.#engine.clock.nowMs();
    this.#timer = setTimeout(() => this.#run(), Math.min(Math.max(waitMs, 0), LONGEST_WAIT_MS));
  }

  #run(): void {
    this.#engine.runDueTasks();
    this.#deliveries.startDue();
    this.#plan();
  }
}
