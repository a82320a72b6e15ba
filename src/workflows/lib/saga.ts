import { CancellationScope } from '@temporalio/workflow';

export interface Saga {
  /** Registers how to undo a step, before the step is tried: undoing what never happened must do no harm. */
  register(undo: () => Promise<unknown>): void;
  /** Undoes everything, last first, whatever was cancelled meanwhile. An undo that fails stops here: it stays open and visible. */
  compensate(): Promise<void>;
}

/** Steps that must be undone together when one of them can't be done. */
export function createSaga(): Saga {
  const undos: (() => Promise<unknown>)[] = [];
  return {
    register(undo) {
      undos.push(undo);
    },
    async compensate() {
      await CancellationScope.nonCancellable(async () => {
        for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await undo();
      });
    },
  };
}
