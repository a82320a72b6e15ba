import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { PlannedEffect, Reach } from '../../contracts/kinds.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { EffectEnd, EffectRow, EffectsStore } from '../../store/effects.ts';

type Facts = Readonly<Record<string, unknown>>;

/** What became of one try at an effect, in the words of the sender. */
export type Sent =
  /** The other side confirmed it. */
  | { readonly state: 'done'; readonly response?: Facts }
  /** The other side said no, for good. */
  | { readonly state: 'refused'; readonly response?: Facts }
  /** It surely did not happen; it may be tried again. */
  | { readonly state: 'not_done'; readonly response?: Facts }
  /** Everything was sent and no answer came: it may have happened. */
  | { readonly state: 'ambiguous' };

/** How an effect stands now. `pending`: nothing happened yet; `sending`: some other attempt may be at it right now. */
export type Standing = 'done' | 'refused' | 'unknown' | 'pending' | 'sending';

export interface EffectParty {
  /**
   * Does it. Must call `begin` once, directly before the first irrevocable byte, and must write nothing irrevocable after the monotonic
   * deadline (`performance.now()` milliseconds) that it resolves to. When `begin` rejects, nothing may be sent.
   */
  readonly send: (effect: EffectRow, begin: () => Promise<number>) => Promise<Sent>;
  /** Asks the other side whether it happened; absent where nobody can be asked. */
  readonly ask?: ((effect: EffectRow) => Promise<'accepted' | 'absent' | 'unknown'>) | undefined;
  /** Where nobody can be asked: whether what may have happened is done again, under the same key. Without it, it stays unknown. */
  readonly repeats?: ((effect: EffectRow) => boolean) | undefined;
  /** Whom the effect reaches, where people can refuse to be reached. */
  readonly reaches?: ((effect: EffectRow) => Reach) | undefined;
  /** How long a sender may take from `begin` to the answer, in milliseconds. */
  readonly budgetMs: number;
  /** How long after the sender's time is up something may still arrive, in milliseconds. */
  readonly settleMs: number;
}

export interface EffectContext {
  readonly effects: EffectsStore;
  readonly run: RunRef;
  readonly party: EffectParty;
  /** Aborts between steps; an effect that has begun is always brought to an end or left as `sending` for the next attempt. */
  readonly signal: AbortSignal;
  /** Waits, heartbeating; rejects when aborted. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** Raised by `begin` when another attempt holds the effect by now, or the operation has ended. */
class EffectLostError extends Error {
  override readonly name = 'EffectLostError';
}

/**
 * Takes the next fence of each effect for this attempt, and tells how the others stand.
 * @throws ApplicationFailure NotOpen when the operation has ended, AlreadyDone when an edited input contradicts a done effect.
 */
export async function claimEffects(effects: EffectsStore, run: RunRef, planned: readonly PlannedEffect[]): Promise<EffectRow[]> {
  const rows = await claimOrFail(effects, run, planned);
  const contradicted = rows.find((row, index) => row.state !== 'claimed' && row.request_digest !== planned[index]?.digest);
  if (contradicted !== undefined) {
    throw ApplicationFailure.nonRetryable('An effect of this operation was done with another input.', 'AlreadyDone');
  }
  return rows;
}

async function claimOrFail(effects: EffectsStore, run: RunRef, planned: readonly PlannedEffect[]): Promise<EffectRow[]> {
  try {
    return await effects.claim({ tenantId: run.tenantId, operationId: run.operationId, effects: planned, nowMs: run.nowMs });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'OperationNotOpenError') throw error;
    throw ApplicationFailure.create({
      message: 'The operation has ended.',
      type: 'NotOpen',
      nonRetryable: true,
      category: 'BENIGN',
      cause: error,
    });
  }
}

/**
 * Runs one claimed effect, or finds out what became of it. Safe to run again after any crash: what may have happened is asked for, never
 * repeated blindly.
 */
export async function runEffect(context: EffectContext, effect: EffectRow): Promise<Standing> {
  switch (effect.state) {
    case 'done':
    case 'refused':
      return effect.state;
    case 'claimed':
      return send(context, effect);
    case 'sending':
    case 'unknown': {
      const settled = await settleEffect(context, effect);
      return settled === 'pending' ? sendAnew(context, effect) : settled;
    }
  }
}

/**
 * Finds out what became of an effect that is `sending` or `unknown`, without ever doing it. `pending`: it surely did not happen, or the
 * party would have it done again in any case.
 */
export async function settleEffect(context: EffectContext, effect: EffectRow): Promise<Standing> {
  if (effect.state !== 'sending' && effect.state !== 'unknown') return effect.state === 'claimed' ? 'pending' : effect.state;
  const answer = await ask(context, effect);
  const isRepeated = answer === 'unknown' && context.party.ask === undefined && context.party.repeats?.(effect) === true;
  const state = answer === 'accepted' ? 'done' : answer === 'absent' || isRepeated ? 'claimed' : 'unknown';
  if (state === 'unknown' && effect.state === 'unknown') return 'unknown';
  const fence = await end(context, effect, { state, isRepeated, response: { settledBy: isRepeated ? 'repeating' : 'asking' } });
  // Someone else settled it first: their word counts, the next claim shows it.
  if (fence === undefined) return 'sending';
  return state === 'claimed' ? 'pending' : state;
}

/** That it happened can be believed at once; that it did not, only when nobody can still be at it. */
async function ask(context: EffectContext, effect: EffectRow): Promise<'accepted' | 'absent' | 'unknown'> {
  const { party } = context;
  const settledAtMs = effect.until === null ? 0 : effect.until.getTime() + party.settleMs;
  if (settledAtMs > Date.now()) {
    if ((await party.ask?.(effect)) === 'accepted') return 'accepted';
    await waitUntil(context, settledAtMs);
  }
  return (await party.ask?.(effect)) ?? 'unknown';
}

async function sendAnew(context: EffectContext, effect: EffectRow): Promise<Standing> {
  const [claimed] = await claimEffects(context.effects, context.run, [planOf(context, effect)]);
  if (claimed?.state === 'refused') return 'refused';
  return claimed?.state === 'claimed' ? send(context, claimed) : 'sending';
}

function planOf({ party }: EffectContext, effect: EffectRow): PlannedEffect {
  const reaches = party.reaches?.(effect);
  return { step: effect.step, digest: effect.request_digest, ...(reaches === undefined ? {} : { reaches }) };
}

async function send(context: EffectContext, effect: EffectRow): Promise<Standing> {
  const { party, effects, signal } = context;
  let hasBegun = false;
  const begin = async (): Promise<number> => {
    signal.throwIfAborted();
    // Read before the row is written, so that the sender's time is up no later than the row says.
    const deadline = performance.now() + party.budgetMs;
    const reaches = party.reaches?.(effect);
    const reaching = reaches === undefined ? undefined : { reaches, nowMs: context.run.nowMs };
    hasBegun = await effects.begin(refOf(effect), party.budgetMs, reaching);
    if (!hasBegun) throw new EffectLostError('another attempt holds this effect, its operation has ended, or nobody may be reached by it');
    return deadline;
  };
  const sent = await party.send(effect, begin);
  switch (sent.state) {
    case 'done':
    case 'refused':
      return (await end(context, effect, sent)) === undefined ? 'sending' : sent.state;
    case 'not_done':
      if (hasBegun || sent.response !== undefined) await end(context, effect, { ...sent, state: 'claimed' });
      return 'pending';
    case 'ambiguous': {
      // Not cut short by a cancel: else the operation would wait until the sender's time has run out.
      await delay(party.settleMs);
      // The sender is done with it, so nobody has to wait for its time to run out.
      return settleEffect(context, { ...effect, state: 'sending', until: null });
    }
  }
}

function end(context: EffectContext, effect: EffectRow, how: Omit<EffectEnd, 'nowMs' | 'operationId'>): Promise<number | undefined> {
  const { operationId, nowMs } = context.run;
  return context.effects.end(refOf(effect), { ...how, operationId, nowMs });
}

function refOf(effect: EffectRow) {
  return { tenantId: effect.tenant_id, key: effect.key, fence: effect.fence };
}

/** Until the database's clock, which wrote the instant, has passed it; both clocks are ours, and `settleMs` covers their difference. */
async function waitUntil({ sleep }: EffectContext, instantMs: number): Promise<void> {
  const waitMs = instantMs - Date.now();
  if (waitMs > 0) await sleep(waitMs);
}
