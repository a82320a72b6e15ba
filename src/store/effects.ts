import type { Kysely, Selectable } from 'kysely';
import type { EffectState, PlannedEffect, Reach } from '../contracts/kinds.ts';
import { callFunction, withTenant } from './database.ts';
import type { Database } from './schema.ts';

export type EffectRow = Selectable<Database['effect']>;

export interface EffectRef {
  readonly tenantId: string;
  readonly key: string;
  /** The fence under which the caller holds the effect; a newer one makes every call of an older holder fail. */
  readonly fence: number;
}

/** An effect that has no row yet, of work that has never run. */
export interface FirstEffect {
  readonly tenantId: string;
  readonly rootId: string;
  readonly operationId: string;
  readonly key: string;
  readonly step: string;
  readonly digest: string;
}

export interface ClaimRequest {
  readonly tenantId: string;
  readonly operationId: string;
  readonly effects: readonly PlannedEffect[];
  readonly nowMs: number;
}

export interface Reaching {
  readonly reaches: Reach;
  readonly nowMs: number;
}

export interface EffectEnd {
  /** `claimed` means that it surely did not happen and may be tried again. */
  readonly state: Exclude<EffectState, 'sending'>;
  /** What the other side said; nothing personal. */
  readonly response?: Readonly<Record<string, unknown>>;
  /** Set when another attempt of the work settles it. */
  readonly operationId?: string;
  /** It goes back to `claimed` although it may have happened. */
  readonly isRepeated?: boolean;
  readonly nowMs: number;
}

/** Raised by `claim` when the operation has ended: no effect may begin. */
export class OperationNotOpenError extends Error {
  override readonly name = 'OperationNotOpenError';
}

/** The rows behind activities/lib/effect.ts. Every change is one conditional statement. */
export function createEffectsStore(db: Kysely<Database>) {
  /**
   * Gives the caller the next fence of each effect that is free to run, and the present state of the others, in the order asked.
   * @throws {OperationNotOpenError} when the operation has ended.
   */
  async function claim(request: ClaimRequest): Promise<EffectRow[]> {
    const { tenantId, operationId, effects, nowMs } = request;
    const parameters = JSON.stringify({ tenantId, operationId, effects, now: new Date(nowMs) });
    try {
      return await callFunction<EffectRow>(db, 'claim_effects', parameters);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'NS001')
        throw new OperationNotOpenError('the operation has ended', { cause: error });
      throw error;
    }
  }

  /**
   * The compare-and-set directly before the first irrevocable byte; `budgetMs` is how long the sender may take. False as well when whom
   * it reaches has been suppressed meanwhile; then the effect is refused.
   */
  async function begin(ref: EffectRef, budgetMs: number, reaching?: Reaching): Promise<boolean> {
    const now = reaching === undefined ? undefined : new Date(reaching.nowMs);
    const parameters = JSON.stringify({ ...ref, budgetMs, reaches: reaching?.reaches, now });
    const [row] = await callFunction<{ begin_effect: boolean }>(db, 'begin_effect', parameters);
    return row?.begin_effect === true;
  }

  /** Claim and compare-and-set in one, under fence 1. False as well when the effect has a row by now. */
  async function beginFirst(first: FirstEffect, budgetMs: number, reaching?: Reaching): Promise<boolean> {
    const now = reaching === undefined ? undefined : new Date(reaching.nowMs);
    const parameters = JSON.stringify({ ...first, budgetMs, reaches: reaching?.reaches, now });
    const [row] = await callFunction<{ begin_first_effect: boolean }>(db, 'begin_first_effect', parameters);
    return row?.begin_first_effect === true;
  }

  /** Records the end of a sending or unknown effect. Returns the new fence, or undefined when somebody else settled it. */
  async function end(ref: EffectRef, how: EffectEnd): Promise<number | undefined> {
    const [row] = await callFunction<{ end_effect: number | null }>(db, 'end_effect', JSON.stringify(endOf(ref, how)));
    return row?.end_effect ?? undefined;
  }

  /** The latest generation of every effect that the work has. */
  async function ofRoot(tenantId: string, rootId: string): Promise<EffectRow[]> {
    return withTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('effect')
        .selectAll()
        .distinctOn(['step'])
        .where('tenant_id', '=', tenantId)
        .where('root_id', '=', rootId)
        .orderBy('step')
        .orderBy('generation', 'desc')
        .execute(),
    );
  }

  return { claim, begin, beginFirst, end, ofRoot };
}

/** What the database is told of the end of an effect. */
export function endOf(ref: EffectRef, { nowMs, ...how }: EffectEnd): Readonly<Record<string, unknown>> {
  return { ...ref, ...how, now: new Date(nowMs) };
}

export type EffectsStore = ReturnType<typeof createEffectsStore>;
