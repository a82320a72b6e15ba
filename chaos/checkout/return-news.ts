import * as z from 'zod';

/** What the provider says when a refund comes back; each is one event. */
const EVENTS = 3;
/** What was acknowledged longer ago may have been acted on long since. */
const RECENT_MS = 4_000;

const Event = z.object({
  id: z.string(),
  type: z.string(),
  pending_webhooks: z.number(),
  data: z.object({ object: z.object({ object: z.string(), id: z.string(), status: z.string().optional() }) }),
});
const Entry = z.object({
  at: z.string(),
  cause: z.string(),
  changes: z.array(z.object({ table: z.string(), put: z.unknown().optional() })),
});

/** Finds out, from the provider's journal, when the last word about a refund that came back was acknowledged. */
export class ReturnNews {
  /** By refund: when each of its events was acknowledged. */
  readonly #told = new Map<string, Map<string, number>>();

  /** Takes the next entries; true when among them is the last word on a refund of which all was acknowledged just now. */
  isJustTold(entries: readonly unknown[]): boolean {
    let isTold = false;
    for (const raw of entries) {
      const { at, cause, changes } = Entry.parse(raw);
      if (cause !== 'delivery') continue;
      for (const { table, put } of changes) {
        const event = table === 'event' ? Event.safeParse(put).data : undefined;
        if (event === undefined || event.data.object.object !== 'refund' || event.data.object.status !== 'failed') continue;
        if (event.pending_webhooks > 0) continue;
        const told = this.#told.get(event.data.object.id) ?? new Map<string, number>();
        told.set(event.id, Date.parse(at));
        this.#told.set(event.data.object.id, told);
        isTold ||= told.size === EVENTS && Date.now() - Math.min(...told.values()) < RECENT_MS;
      }
    }
    return isTold;
  }
}
