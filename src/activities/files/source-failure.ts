import { ApplicationFailure } from '@temporalio/common';
import { SOURCE_FAILURES, SourceError } from '../../contracts/files/source.ts';
import type { Store } from '../../store/index.ts';
import type { FileRequest } from './core.ts';

/** What ends the work where an object that was registered is not to be had any more; undefined for what may pass. */
export function sourceFailure(error: unknown): ApplicationFailure | undefined {
  if (!(error instanceof SourceError) || error.fault === 'unavailable') return undefined;
  return ApplicationFailure.create({
    message: error.message,
    type: SOURCE_FAILURES[error.fault],
    nonRetryable: true,
    category: 'BENIGN',
  });
}

/** The same for a step of the check, whose file then says why it failed. */
export async function orSourceFailure<T>(
  { store, run, fileId }: FileRequest & { readonly store: Store },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = sourceFailure(error);
    if (failure === undefined || !(error instanceof SourceError)) throw error;
    await store.files.processing.fail({ run, fileId }, { code: `source_${error.fault}`, message: error.message });
    throw failure;
  }
}
