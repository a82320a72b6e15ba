import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
import type { PlannedEffect, Reach } from '../../contracts/kinds.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { EffectEnd, EffectRef, EffectRow, EffectsStore } from '../../store/effects.ts';

type Facts = Readonly<Record<string, unknown>>;

/** What became of one try at an effect, in the words of the sender. */
export type Sent =
  /** The other side confirmed it. */
  | { readonly state: 'done'; readonly response?: Facts }
  /** The other side said no, for good. */
  | { readonly state: 'refused'; readonly response?: Facts }
  /** It surely did not happen; it may be tried again. `isSpent`: though not under the key that was given to the other side. */
  | { readonly state: 'not_done'; readonly response?: Facts; readonly isSpent?: true }
  /** Everything was sent and no answer came: it may have happened. */
  | { readonly state: 'ambiguous' };

/** How an effect stands now. `pending`: nothing happened yet; `sending`: some other attempt may be at it right now. */
export type Standing = 'done' | 'refused' | 'unknown' | 'pending' | 'sending';

/** `spent`: it did not happen, and the key that was given to the other side is good for nothing any more; the next try counts as a repeat. */
export type Told = 'accepted' | 'absent' | 'spent' | 'unknown';

export interface EffectParty {
  /**
   * Does it. Must call `begin` once, directly before the first irrevocable byte, and must write nothing irrevocable after the monotonic
   * deadline (`performance.now()` milliseconds) that it resolves to. When `begin` rejects, nothing may be sent.
   */
  readonly send: (effect: EffectRow, begin: () => Promise<number>) => Promise<Sent>;
  /** Asks the other side whether it happened; absent where nobody can be asked. */
  readonly ask?: ((effect: EffectRow) => Promise<Told>) | undefined;
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
  /** Records how an effect ended, where more than that may belong into the same transaction; default: that alone. */
  readonly record?: ((ref: EffectRef, how: EffectEnd) => Promise<number | undefined>) | undefined;
}

/** The fence of an effect that has no row yet. */
const UNCLAIMED = 0;
/** Another attempt may be going on in a living process, and may end well before its time is up. */
const LOOK_EVERY_MS = 500;

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

/**
 * The effects of work that has never run: nothing has to be claimed before it begins, so that each is claimed as it begins and costs one
 * transaction less.
 */
export function unclaimedEffects(run: RunRef, planned: readonly PlannedEffect[]): EffectRow[] {
  const now = new Date(run.nowMs);
  return planned.map(({ step, digest }) => ({
    tenant_id: run.tenantId,
    key: `${run.rootId}/${step}#1`,
    root_id: run.rootId,
    operation_id: run.operationId,
    step,
    generation: 1,
    state: 'claimed',
    fence: UNCLAIMED,
    until: null,
    request_digest: digest,
    response: null,
    created_at: now,
    updated_at: now,
    repeats: 0,
  }));
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
  if (answer === 'settled') return 'sending';
  const isRepeated =
    answer === 'spent' || (answer === 'unknown' && context.party.ask === undefined && context.party.repeats?.(effect) === true);
  const state = answer === 'accepted' ? 'done' : answer === 'absent' || isRepeated ? 'claimed' : 'unknown';
  if (state === 'unknown' && effect.state === 'unknown') return 'unknown';
  const fence = await end(context, effect, { state, isRepeated, response: { settledBy: isRepeated ? 'repeating' : 'asking' } });
  // Someone else settled it first: their word counts, the next claim shows it.
  if (fence === undefined) return 'sending';
  return state === 'claimed' ? 'pending' : state;
}

/** That it happened can be believed at once; that it did not, only when nobody can still be at it. */
async function ask(context: EffectContext, effect: EffectRow): Promise<Told | 'settled'> {
  const { party } = context;
  const settledAtMs = effect.until === null ? 0 : effect.until.getTime() + party.settleMs;
  if (settledAtMs > Date.now()) {
    if ((await party.ask?.(effect)) === 'accepted') return 'accepted';
    if (await settlesBefore(context, effect, settledAtMs)) return 'settled';
  }
  return (await party.ask?.(effect)) ?? 'unknown';
}

/**
 * Waits until the database's clock, which wrote the instant, has passed it; both clocks are ours, and `settleMs` covers their difference.
 * True as soon as whoever is at the effect has settled it.
 */
async function settlesBefore({ effects, run, sleep }: EffectContext, effect: EffectRow, instantMs: number): Promise<boolean> {
  for (let leftMs = instantMs - Date.now(); leftMs > 0; leftMs = instantMs - Date.now()) {
    await sleep(Math.min(leftMs, LOOK_EVERY_MS));
    const now = (await effects.ofRoot(run.tenantId, run.rootId)).find(({ step }) => step === effect.step);
    if (now !== undefined && (now.key !== effect.key || now.fence !== effect.fence)) return true;
  }
  return false;
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
  const { party, signal } = context;
  let beginning: Promise<boolean> | undefined;
  const begin = async (): Promise<number> => {
    signal.throwIfAborted();
    // Read before the row is written, so that the sender's time is up no later than the row says.
    const deadline = performance.now() + party.budgetMs;
    beginning = beginEffect(context, effect);
    if (!(await beginning))
      throw new EffectLostError('another attempt holds this effect, its operation has ended, or nobody may be reached by it');
    return deadline;
  };
  const sent = await party.send(effect, begin);
  // A sender who gave up waiting for `begin` may have the effect all the same.
  const hasBegun = (await beginning?.catch(() => false)) ?? false;
  const held = hasBegun && effect.fence === UNCLAIMED ? { ...effect, fence: UNCLAIMED + 1 } : effect;
  if (held.fence === UNCLAIMED) return recordUnclaimed(context, held, sent);
  switch (sent.state) {
    case 'done':
    case 'refused':
      return (await end(context, held, sent)) === undefined ? 'sending' : sent.state;
    case 'not_done':
      if (hasBegun || sent.response !== undefined) {
        const { response, isSpent = false } = sent;
        await end(context, held, { ...(response === undefined ? {} : { response }), state: 'claimed', isRepeated: isSpent });
      }
      return 'pending';
    case 'ambiguous': {
      // Not cut short by a cancel: else the operation would wait until the sender's time has run out.
      await delay(party.settleMs);
      // The sender is done with it, so nobody has to wait for its time to run out.
      return settleEffect(context, { ...held, state: 'sending', until: null });
    }
  }
}

function beginEffect({ effects, party, run }: EffectContext, effect: EffectRow): Promise<boolean> {
  const reaches = party.reaches?.(effect);
  const reaching = reaches === undefined ? undefined : { reaches, nowMs: run.nowMs };
  if (effect.fence !== UNCLAIMED) return effects.begin(refOf(effect), party.budgetMs, reaching);
  const { tenant_id: tenantId, root_id: rootId, operation_id: operationId, key, step, request_digest: digest } = effect;
  return effects.beginFirst({ tenantId, rootId, operationId, key, step, digest }, party.budgetMs, reaching);
}

/** What the other side said before anything had begun is kept in a row, which is claimed for that. */
async function recordUnclaimed(context: EffectContext, effect: EffectRow, sent: Sent): Promise<Standing> {
  if (!('response' in sent) || sent.response === undefined) return 'pending';
  const [claimed] = await claimEffects(context.effects, context.run, [planOf(context, effect)]);
  if (claimed?.state !== 'claimed') return claimed?.state === 'refused' ? 'refused' : 'sending';
  const state = sent.state === 'refused' ? 'refused' : 'claimed';
  const fence = await end(context, claimed, { ...sent, state });
  if (fence === undefined) return 'sending';
  return state === 'refused' ? 'refused' : 'pending';
}

function end(context: EffectContext, effect: EffectRow, how: Omit<EffectEnd, 'nowMs' | 'operationId'>): Promise<number | undefined> {
  const { effects, run, record = effects.end } = context;
  return record(refOf(effect), { ...how, operationId: run.operationId, nowMs: run.nowMs });
}

function refOf(effect: EffectRow) {
  return { tenantId: effect.tenant_id, key: effect.key, fence: effect.fence };
}
