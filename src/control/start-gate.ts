/** A start that this process does not open is one that another process took, or that a busy worker gets to later. */
const OPENING_GRACE_MS = 3_000;

export interface StartGate {
  /** How many more may be on their way now. */
  free(): number;
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

/**
 * Counts the starts whose workflow has not begun its first step, and the messages that are not delivered. Keeping them few keeps every
 * start eager, and the queue in front of Temporal, where it is cheap and fair.
 */
export function createStartGate(places: number, onTimeout: (place: string) => void): StartGate {
  const underWay = new Map<string, NodeJS.Timeout>();
  let reserved = 0;
  return {
    free: () => places - underWay.size - reserved,
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
