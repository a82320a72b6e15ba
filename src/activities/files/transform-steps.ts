/** A step works for about so long, so that a pause takes hold and others have their turn. */
const STEP_MS = 20_000;
/** By this the work of a step is longer than its way to where it goes on: all ways together are at most half of all work. */
const WORK_FOR_WAY = 2;

/**
 * How long a step goes on from its first chunk on, when it took so long to come there: a text that is packed is read from its beginning each
 * time. Were all steps alike, those of a long one would do little else.
 */
export function stepMs(wayMs: number): number {
  return Math.max(STEP_MS, WORK_FOR_WAY * wayMs);
}
