import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expireAuthorization } from './capturing.ts';
import { book, settleDebit } from './charging.ts';
import { VirtualClock } from './clock.ts';
import { NO_FAULTS } from './faults.ts';
import type { FaultPlan } from './faults.ts';
import { INSTRUMENTS } from './instruments.ts';
import { Journal } from './journal.ts';
import type { JournalEntry } from './journal.ts';
import { finishRefund } from './refunds.ts';
import { State } from './state.ts';
import type { Task } from './state.ts';
import { Work } from './work.ts';
import type { EventOrigin } from './work.ts';

/** State, journal and clock, which change together: what is committed here is there after a restart. */
export class Engine {
  readonly state = new State();
  readonly clock = new VirtualClock();
  readonly #journal: Journal;
  #onCommit: () => void = () => {};

  private constructor(journal: Journal) {
    this.#journal = journal;
    for (const entry of journal.entries) {
      for (const change of entry.changes) this.state.apply(change);
      this.clock.setOffset(entry.clockOffsetMs);
    }
  }

  /** Opens what an earlier run left in this folder, or begins. */
  static async open(folder: string): Promise<Engine> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return new Engine(await Journal.open(join(folder, 'journal.ndjson')));
  }

  get entries(): readonly JournalEntry[] {
    return this.#journal.entries;
  }

  get faultPlan(): FaultPlan {
    return this.state.get('fault_plan', 'plan') ?? NO_FAULTS;
  }

  /** Called after every commit: something may be due sooner now. */
  onCommit(action: () => void): void {
    this.#onCommit = action;
  }

  begin(origin?: EventOrigin): Work {
    return new Work(this.state, this.clock, origin);
  }

  /** Everybody sees it from now on; it lasts once `flushed` has resolved. */
  commit(work: Work, facts: Pick<JournalEntry, 'cause' | 'request'>): void {
    for (const change of work.changes) this.state.apply(change);
    this.#journal.append({ ...facts, clockOffsetMs: this.clock.offsetMs, changes: work.changes });
    this.#onCommit();
  }

  flushed(): Promise<void> {
    return this.#journal.flushed();
  }

  async close(): Promise<void> {
    this.#onCommit = () => {};
    await this.#journal.close();
  }

  /** Does what has fallen due until now, each thing at its own instant. */
  runDueTasks(untilMs = this.clock.nowMs()): void {
    for (;;) {
      const due = this.state.all('task').filter((task) => task.dueMs <= untilMs);
      const [next] = due.toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) return;
      this.clock.runAt(next.dueMs, () => {
        const work = this.begin();
        work.remove('task', next.id);
        runTask(work, next);
        this.commit(work, { cause: 'time' });
      });
    }
  }

  /** Moves the clock; what falls due on the way happens on the way. */
  advance(durationMs: number): void {
    this.runDueTasks(this.clock.nowMs() + durationMs);
    this.clock.setOffset(this.clock.offsetMs + durationMs);
    this.commit(this.begin(), { cause: 'control' });
  }
}

function runTask(work: Work, task: Task): void {
  switch (task.kind) {
    case 'book_charge': {
      work.emit('charge.updated', book(work, work.charge(task.objectId)), { balance_transaction: null });
      return;
    }
    case 'expire_authorization':
      expireAuthorization(work, work.charge(task.objectId));
      return;
    case 'finish_refund':
      finishRefund(work, task.objectId);
      return;
    case 'settle_debit': {
      const charge = work.charge(task.objectId);
      const instrument = INSTRUMENTS.get(work.get('instrument', charge.payment_method ?? '')?.instrument ?? '');
      if (instrument !== undefined) settleDebit(work, charge, instrument);
    }
  }
}
