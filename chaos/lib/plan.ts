import { createRandom, shuffled } from './random.ts';

/** Posts while Temporal is stopped, once per run. */
export const BLACKOUT_POSTS = 20;

/** `stall`: the app is stopped by SIGSTOP for a while; the others die by SIGKILL. */
export type Target = 'app' | 'postgres' | 'temporal' | 'work' | 'gpu' | 'supervisor' | 'stall';

/** How a run is asked for. */
export interface RunSize {
  readonly seed: number;
  readonly count: number;
  readonly kills: number;
  /** Posts while Temporal is stopped; none: no blackout. */
  readonly blackoutPosts?: number;
}

export interface Strike {
  /** From 1. */
  readonly ordinal: number;
  readonly target: Target;
  /** It fires when the outside parties have seen this share of the expected effects. */
  readonly share: number;
  /** Operations that may be posted before this strike's recovery: two parts of the load, so that each strike meets some under way. */
  readonly postsBefore: number;
  /** The blackout follows this strike's recovery. */
  readonly isBlackoutNext: boolean;
}

/** Whom strikes may hit. */
export interface Deck {
  readonly targets: readonly Target[];
  /** Falls in every run, however short: in the place of another when it was not dealt. */
  readonly mustFall?: Target;
}

/** Strike k of K at k/(K+1) of the effects; targets are dealt from a shuffled deck, a new one when it is empty. */
export function planStrikes({ seed, count, kills, blackoutPosts = BLACKOUT_POSTS }: RunSize, deck: Deck): readonly Strike[] {
  const blackoutAfter = Math.ceil(kills / 2);
  return deal(seed, kills, deck).map((target, index) => ({
    ordinal: index + 1,
    target,
    share: (index + 1) / (kills + 1),
    postsBefore: Math.ceil((count * (index + 2)) / (kills + 1)),
    isBlackoutNext: blackoutPosts > 0 && index + 1 === blackoutAfter,
  }));
}

function deal(seed: number, kills: number, { targets, mustFall }: Deck): readonly Target[] {
  const random = createRandom(seed, 'strikes');
  const decks = Array.from({ length: Math.ceil(kills / targets.length) }, () => shuffled(random, targets));
  const dealt = decks.flat().slice(0, kills);
  if (mustFall === undefined || dealt.includes(mustFall) || kills === 0) return dealt;
  return dealt.with(random.below(kills), mustFall);
}
