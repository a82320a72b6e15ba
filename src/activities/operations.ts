import type { Kinds } from '../contracts/kinds.ts';
import type { OperationRef, Outcome, RunRef } from '../contracts/pure/operations.ts';
import type { Mark } from '../store/lifecycle.ts';
import type { Store } from '../store/index.ts';
import { readAsked } from './lib/asked.ts';

export interface MarkRequest {
  readonly run: RunRef;
  readonly mark: Mark;
}

export interface CloseOperationRequest {
  readonly run: RunRef;
  readonly outcome: Outcome;
  /** Whether Temporal was asked to cancel the workflow, over REST or by other tools. */
  readonly isCancelRequested: boolean;
}

export interface MessageRecord {
  readonly ref: OperationRef;
  readonly type: 'signal' | 'update';
  readonly name: string;
  /** What the message carried; `actor` and `reason` are looked for. */
  readonly asked: unknown;
  readonly nowMs: number;
}

export interface OperationActivityDeps {
  readonly store: Store;
  readonly kinds: Kinds;
  /** Told of every operation that ended, for the metrics. */
  readonly onClosed: (closing: { readonly kind: string; readonly status: string; readonly seconds: number }) => void;
}

/** By kind: adds to an outcome, as it is stored, what must not pass through a workflow. Safe to repeat. */
export type Completions = Readonly<Record<string, (run: RunRef, outcome: Outcome) => Promise<Outcome>>>;

/** The bookkeeping of every operation. All are local activities: one statement each, safe to repeat, ≤ 5 ms. */
export function createOperationActivities({ store, kinds, onClosed }: OperationActivityDeps, completions: Completions = {}) {
  return {
    /** Opens the row, for workflows whose first step is nothing else. */
    async openOperation(run: RunRef) {
      const opened = await store.lifecycle.open(run);
      return opened.opened ? { opened: true as const, value: {} } : opened;
    },

    /** A stored step that people see. */
    async markOperation({ run, mark }: MarkRequest) {
      return { status: await store.lifecycle.mark(run, mark) };
    },

    /** Ends the operation, or says how long an effect that is being sent may still take. */
    async closeOperation({ run, outcome, isCancelRequested }: CloseOperationRequest) {
      const whole = (await completions[run.kind]?.(run, outcome)) ?? outcome;
      const closed = await store.lifecycle.close({ run, outcome: whole, cancelRequested: isCancelRequested, kind: kinds[run.kind] });
      if (closed.closed) onClosed({ kind: run.kind, status: closed.status, seconds: closed.seconds });
      return closed;
    },

    /** The audit row of a message that reached the workflow. Written once per workflow event; a repeat leaves a second row, never none. */
    async recordMessage({ ref, type, name, asked, nowMs }: MessageRecord) {
      const { actor, reason } = readAsked(asked);
      await store.audit.write({
        tenantId: ref.tenantId,
        at: new Date(nowMs),
        actor,
        action: `operation.${type}.received`,
        target: `operation/${ref.operationId}`,
        operationId: ref.operationId,
        details: { name },
        ...(reason === undefined ? {} : { after: { reason } }),
      });
      return {};
    },
  };
}

export type OperationActivities = ReturnType<typeof createOperationActivities>;
