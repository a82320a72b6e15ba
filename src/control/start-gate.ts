/** A start that this process does not open is one that another process took, or that a busy worker gets to later. */
const OPENING_GRACE_MS = 3_000;

export interface StartGate {
  /** How many more may be on their way now. */
  free(): number;
  /** Takes a place before it is known for which workflow. */
  reserve(): void;
  release(): void;
  /** This workflow's start is on its way. */
  enter(workflowId: string): void;
  /** It was opened here, or did not start. True when that made a place free. */
  leave(workflowId: string): boolean;
  /** Forgets what is on its way. */
  clear(): void;
}

/**
 * Counts the starts whose workflow has not begun its first step. Keeping them few keeps every start eager, and the queue in front of
 * Temporal, where it is cheap and fair.
 */
export function createStartGate(places: number, onTimeout: (workflowId: string) => void): StartGate {
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
    enter(workflowId) {
      underWay.set(
        workflowId,
        setTimeout(() => onTimeout(workflowId), OPENING_GRACE_MS),
      );
    },
    leave(workflowId) {
      clearTimeout(underWay.get(workflowId));
      return underWay.delete(workflowId);
    },
    clear() {
      for (const timer of underWay.values()) clearTimeout(timer);
      underWay.clear();
    },
  };
}
