import type { Clock } from '../contracts/clock.ts';

/** A start that this process does not open is one that another process took, or that a busy worker gets to later. */
const OPENING_GRACE_MS = 3_000;

/** So much of the places is free before more rows are taken: with less, Temporal would wait for the next ones. */
const REFILL_SHARE = 0.5;
/** So many of the places are used while callers bring more than can be begun: they wait for an answer, what they brought does not. */
const SHARE_WHILE_ACCEPTING = 1 / 6;
/** Callers who come less often than this leave the processor to what waits. */
const ACCEPTING_MS = 50;

export interface StartGate {
  /** How many more may be on their way now; less than none when places were taken away. */
  free(): number;
  /** Enough is free to look for more. */
  needsMore(): boolean;
  /** Something was accepted that there was no place for. */
  queued(): void;
  /** Takes a place before it is known for which workflow. */
  reserve(): void;
  release(): void;
  /** A start or a message is on its way. */
  enter(place: string): void;
  /** It was opened here, was delivered, or did not start. True when that made a place free. */
  leave(place: string): boolean;
  /** Forgets what is on its way. */
  clear(): void;
}

export interface StartGateOptions {
  readonly places: number;
  readonly clock: Clock;
}

/**
 * Counts the starts whose workflow has not begun its first step, and the messages that are not delivered. Keeping them few keeps every
 * start eager, and the queue in front of Temporal, where it is cheap and fair.
 */
export function createStartGate({ places, clock }: StartGateOptions, onTimeout: (place: string) => void): StartGate {
  const underWay = new Map<string, NodeJS.Timeout>();
  let reserved = 0;
  let lastQueuedAtMs = Number.NEGATIVE_INFINITY;
  // A clock that was set back must not keep places from being used until it is where it was.
  const isAccepting = (): boolean => Math.abs(clock().getTime() - lastQueuedAtMs) < ACCEPTING_MS;
  const usable = (): number => (isAccepting() ? Math.ceil(places * SHARE_WHILE_ACCEPTING) : places);
  const free = (): number => usable() - underWay.size - reserved;
  return {
    free,
    needsMore: () => free() >= usable() * REFILL_SHARE,
    queued() {
      lastQueuedAtMs = clock().getTime();
    },
    reserve() {
      reserved += 1;
    },
    release() {
      reserved -= 1;
    },
    enter(place) {
      underWay.set(
        place,
        setTimeout(() => onTimeout(place), OPENING_GRACE_MS),
      );
    },
    leave(place) {
      clearTimeout(underWay.get(place));
      return underWay.delete(place);
    },
    clear() {
      for (const timer of underWay.values()) clearTimeout(timer);
      underWay.clear();
    },
  };
}
