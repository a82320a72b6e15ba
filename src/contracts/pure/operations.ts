/** What an operation's workflow is started with: ids only. Inputs, addresses and content stay in the database. */
export interface OperationRef {
  readonly tenantId: string;
  readonly operationId: string;
  /** The first attempt's operation id; effects are keyed by it, so that a retry reuses what was done. */
  readonly rootId: string;
  readonly kind: string;
  /** 1-based. */
  readonly attempt: number;
}

/** What every bookkeeping activity is told besides the operation: which run speaks, and what time it is for the workflow. */
export interface RunRef extends OperationRef {
  readonly runId: string;
  /** The workflow's own clock in milliseconds since the epoch, so that time skipping moves business time too. */
  readonly nowMs: number;
}

export const OPEN_STATUSES = ['accepted', 'scheduled', 'running', 'waiting', 'cancelling'] as const;
export const TERMINAL_STATUSES = ['succeeded', 'failed', 'cancelled', 'expired', 'unknown'] as const;
export type OpenStatus = (typeof OPEN_STATUSES)[number];
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];
export type OperationStatus = OpenStatus | TerminalStatus;

export interface OperationError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** How a workflow wants its operation closed. */
export type Outcome =
  | { readonly status: 'succeeded'; readonly result: Readonly<Record<string, unknown>> }
  | { readonly status: 'failed' | 'unknown'; readonly error: OperationError; readonly result?: Readonly<Record<string, unknown>> }
  | { readonly status: 'cancelled' | 'expired'; readonly result?: Readonly<Record<string, unknown>> };

/** Answer of an opening activity: the row is ours, with what its first step found; or there is nothing to do, and why. */
export type Opened<T> = { readonly opened: true; readonly value: T } | { readonly opened: false; readonly status: OperationStatus };

/** The same of a first step that may have been all there was to do: then it has closed the row as well. */
export type FirstStep<T> = Opened<T> | { readonly opened: true; readonly ended: Outcome };

/** Answer of a closing activity. Not closed while one of the operation's effects is still being sent. */
export type Closed =
  | { readonly closed: true; readonly status: TerminalStatus; /** From its start to its end. */ readonly seconds: number }
  | { readonly closed: false; readonly retryInMs: number };
