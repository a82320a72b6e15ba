import { SourceError } from '../../contracts/files/source.ts';
import { HttpProblem } from '../lib/problems.ts';

const RETRY_AFTER_SECONDS = 5;

/** What the caller is told where an object that is somebody else's is not to be had. Other errors pass as they are. */
export function sourceProblem(error: unknown): unknown {
  if (!(error instanceof SourceError)) return error;
  if (error.fault !== 'unavailable') return new HttpProblem(`source_${error.fault}`);
  return new HttpProblem('source_unavailable', undefined, { headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) } });
}
