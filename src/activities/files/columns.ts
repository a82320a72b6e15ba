import type { Outcome, RunRef } from '../../contracts/pure/operations.ts';
import type { Store } from '../../store/index.ts';

/** Completes the result of a transform by the names of the new file's columns. */
export function addColumns(store: Store) {
  return async (run: RunRef, outcome: Outcome): Promise<Outcome> => {
    const fileId = outcome.result?.['fileId'];
    if (outcome.status !== 'succeeded' || typeof fileId !== 'string') return outcome;
    const columns = await store.files.made.columnsOf(run.tenantId, fileId);
    return columns === undefined ? outcome : { ...outcome, result: { ...outcome.result, columns } };
  };
}
