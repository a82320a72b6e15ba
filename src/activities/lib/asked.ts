const MAX_ACTOR_CHARS = 100;

/** The CLI may send anything: an actor that isn't a short word is not taken for one. */
export function readAsked(asked: unknown): { readonly actor: string; readonly reason: string | undefined } {
  const fields = typeof asked === 'object' && asked !== null ? asked : {};
  const actor =
    'actor' in fields && typeof fields.actor === 'string' && /^[\w:.-]+$/.test(fields.actor)
      ? fields.actor.slice(0, MAX_ACTOR_CHARS)
      : 'temporal';
  const reason = 'reason' in fields && typeof fields.reason === 'string' ? fields.reason : undefined;
  return { actor, reason };
}
