import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Answer, Outcome, PaymentCall, Payments, Refusal } from '../../adapters/payments.ts';
import type { PlannedEffect } from '../../contracts/kinds.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { EffectRow } from '../../store/effects.ts';
import type { Store } from '../../store/index.ts';
import { claimEffects, type EffectContext, type EffectParty, runEffect, settleEffect, type Standing } from '../lib/effect.ts';
import { sleepInActivity } from '../lib/heartbeat.ts';

/** A call may take 20 s; the rest is for getting there. */
const BUDGET_MS = 25_000;

export interface PaymentParts {
  readonly store: Store;
  readonly payments: Payments;
}

/** Something that is changed at the provider, once. */
export interface PaymentChange<T> {
  readonly step: string;
  /** What is asked for; another asking under the same step is refused. */
  readonly terms: readonly (string | number | null)[];
  readonly call: (call: PaymentCall) => Promise<Outcome<T>>;
  /** Reads it, to find out whether a call whose answer was lost has come to be. */
  readonly look: (key: string, effect: EffectRow) => Promise<Answer<T>>;
  /** Whether what was read shows the change. */
  readonly happened: (value: T) => boolean;
}

export type PaymentChanged<T> =
  /** `value` is absent when an earlier attempt did it. */
  | { readonly outcome: 'done'; readonly value: T | undefined }
  | { readonly outcome: 'refused'; readonly refusal: Pick<Refusal, 'kind' | 'code' | 'text'> }
  /** The object is in no state for it right now. */
  | { readonly outcome: 'not_now' };

/**
 * Makes a change at the provider under a business key that was saved before. Safe to run again after any crash: what may have happened is
 * looked up, and the provider is given the same key.
 * @throws ApplicationFailure OutsideUnavailable, to be tried again, while the provider can't be reached or asked
 */
export async function changePayment<T>(parts: PaymentParts, run: RunRef, change: PaymentChange<T>): Promise<PaymentChanged<T>> {
  const found = createFound<T>();
  const [effect] = await claimEffects(parts.store.effects, run, [planOf(change)]);
  if (effect === undefined) throw new Error('an effect that was claimed is missing');
  const standing = await runEffect(contextOf(parts, run, partyOf(parts, change, found)), effect);
  if (standing === 'pending' && found.isNotNow) return { outcome: 'not_now' };
  return changedOf(standing, { effect, found });
}

/** Finds out whether a change that was begun has happened, and begins nothing. Undefined: it was not begun, or has not happened. */
export async function settleChange<T>(parts: PaymentParts, run: RunRef, change: PaymentChange<T>): Promise<PaymentChanged<T> | undefined> {
  const effect = (await parts.store.effects.ofRoot(run.tenantId, run.rootId)).find(({ step }) => step === change.step);
  if (effect === undefined || effect.state === 'claimed') return undefined;
  const found = createFound<T>();
  const standing = await settleEffect(contextOf(parts, run, partyOf(parts, change, found)), effect);
  return standing === 'pending' ? undefined : changedOf(standing, { effect, found });
}

/** The key that the provider is given: the business key, and behind it how often the provider has used one up for nothing. */
export function providerKey({ key, repeats }: Pick<EffectRow, 'key' | 'repeats'>): string {
  return repeats === 0 ? key : `${key}.${repeats}`;
}

interface Found<T> {
  value: T | undefined;
  refusal: Refusal | undefined;
  isNotNow: boolean;
  /** The provider answered our key with a failure of its own, and would again. */
  isSpent: boolean;
  retryAfterMs: number | undefined;
}

function createFound<T>(): Found<T> {
  return { value: undefined, refusal: undefined, isNotNow: false, isSpent: false, retryAfterMs: undefined };
}

function planOf({ step, terms }: Pick<PaymentChange<unknown>, 'step' | 'terms'>): PlannedEffect {
  return { step, digest: createHash('sha256').update(JSON.stringify(terms)).digest('hex') };
}

function contextOf({ store }: PaymentParts, run: RunRef, party: EffectParty): EffectContext {
  return { effects: store.effects, run, party, signal: Context.current().cancellationSignal, sleep: sleepInActivity };
}

/** The provider, as what an effect is made at. */
function partyOf<T>({ payments }: PaymentParts, change: PaymentChange<T>, found: Found<T>): EffectParty {
  return {
    budgetMs: BUDGET_MS,
    settleMs: payments.settleMs,
    async send(effect, begin) {
      const deadline = await begin();
      const answer = await change.call({ key: providerKey(effect), deadline });
      switch (answer.outcome) {
        case 'done':
          found.value = answer.value;
          return { state: 'done' };
        case 'refused':
          found.refusal = answer.refusal;
          found.isNotNow = answer.refusal.kind === 'state';
          // The provider would say the same again to this key, although the state may be another one by then.
          if (found.isNotNow) return { state: 'not_done', isSpent: true, response: { code: answer.refusal.code } };
          return { state: 'refused', response: { kind: answer.refusal.kind, code: answer.refusal.code } };
        case 'not_done':
          found.retryAfterMs = answer.retryAfterMs;
          return { state: 'not_done' };
        case 'unknown':
          found.isSpent = answer.isReplay;
          found.retryAfterMs = answer.retryAfterMs;
          return { state: 'ambiguous' };
      }
    },
    async ask(effect) {
      const answer = await change.look(providerKey(effect), effect);
      if (answer.outcome === 'unknown' || answer.outcome === 'foreign') return 'unknown';
      if (answer.outcome === 'found' && change.happened(answer.value)) {
        found.value = answer.value;
        return 'accepted';
      }
      return found.isSpent ? 'spent' : 'absent';
    },
  };
}

interface Seen<T> {
  readonly effect: EffectRow;
  readonly found: Found<T>;
}

function changedOf<T>(standing: Standing, { effect, found }: Seen<T>): PaymentChanged<T> {
  switch (standing) {
    case 'done':
      return { outcome: 'done', value: found.value };
    case 'refused':
      return { outcome: 'refused', refusal: found.refusal ?? refusalOf(effect) };
    case 'pending':
    case 'sending':
    case 'unknown':
      throw ApplicationFailure.create({
        message: `The payment provider did not answer, or could not be reached (${standing}).`,
        type: 'OutsideUnavailable',
        nonRetryable: false,
        ...(found.retryAfterMs === undefined ? {} : { nextRetryDelay: found.retryAfterMs }),
      });
  }
}

function refusalOf({ response }: EffectRow): Pick<Refusal, 'kind' | 'code' | 'text'> {
  const kind = response?.['kind'] === 'declined' ? 'declined' : 'invalid';
  const code = typeof response?.['code'] === 'string' ? response['code'] : 'refused';
  return { kind, code, text: 'The payment was refused.' };
}
