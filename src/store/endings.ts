import type { Kysely } from 'kysely';
import type { EffectStanding, Kind } from '../contracts/kinds.ts';
import type { Outcome } from '../contracts/pure/operations.ts';
import { callFunction } from './database.ts';
import type { Database } from './schema.ts';

export interface Stopped {
  readonly tenantId: string;
  readonly operationId: string;
  readonly rootId: string;
  readonly runId: string | null;
  readonly now: Date;
}

/**
 * How an operation ends that was cancelled: with what was done of it, and not as cancelled when all was done. From here on none of its
 * effects begins any more, unless one is being sent; then closing waits for it.
 */
export async function endingOfCancelled(db: Kysely<Database>, kind: Kind | undefined, stopped: Stopped): Promise<Outcome> {
  if (kind?.endingOf === undefined) return { status: 'cancelled' };
  const [row] = await callFunction<{ input: unknown; effects: readonly EffectStanding[] }>(db, 'seal_effects', JSON.stringify(stopped));
  if (row === undefined) throw new Error('seal_effects gave no row');
  if (row.effects.some(({ state }) => state === 'sending')) return { status: 'cancelled' };
  // Checked against the kind's schema when it was accepted.
  return kind.endingOf(row.input as never, stopped.rootId, row.effects);
}
