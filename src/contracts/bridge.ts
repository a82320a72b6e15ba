/** One thing that Temporal must be told: start a workflow, signal it, cancel it. Rows of the `dispatch` table, in the code's words. */
export interface DispatchItem {
  readonly id: string;
  readonly tenantId: string;
  /** Null: the workflow is no operation's. */
  readonly operationId: string | null;
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly verb: 'start' | 'signal' | 'cancel';
  /** The signal's name. */
  readonly name: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly priority: number;
  /** Deliveries tried before this one. */
  readonly attempts: number;
}

/** What the dispatcher offers to whoever writes dispatch rows in the same process. */
export interface Dispatcher {
  /** Takes a place for one start that goes straight to Temporal. False: the queue in the database is the way. */
  reserve(): boolean;
  /** Gives the place back unused. */
  release(): void;
  /** Delivers a row that this process has just committed under its own lease. */
  deliver(item: DispatchItem): void;
  /** Rows were written: look now rather than at the next poll. */
  wake(): void;
}

/** Where the store finds the dispatcher, which is made after it. Without one, rows wait for another process's poll. */
export interface DispatchBridge extends Dispatcher {
  attach(dispatcher: Dispatcher): void;
}

export function createDispatchBridge(): DispatchBridge {
  let attached: Dispatcher | undefined;
  return {
    attach(dispatcher) {
      attached = dispatcher;
    },
    reserve: () => attached?.reserve() ?? false,
    release: () => attached?.release(),
    deliver: (item) => attached?.deliver(item),
    wake: () => attached?.wake(),
  };
}
