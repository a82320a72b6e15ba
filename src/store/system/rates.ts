import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

const WINDOW_MS = 60_000;

export interface RateHit {
  /** In the present window, this one included. */
  readonly hits: number;
  readonly endsAt: Date;
}

interface Counter {
  readonly endsAtMs: number;
  /** As far as this process knows. */
  hits: number;
  /** Of them, those that the other processes have not been told. */
  unshared: number;
}

/**
 * Counts requests by bucket (a key or an address) and minute. Counting is in memory; `share` adds up over all processes, so what one of
 * them does not know yet is what the others let through since their last turn.
 */
export function createRatesStore(system: Kysely<Database>) {
  const counters = new Map<string, Counter>();

  function hit(bucket: string, now: Date): RateHit {
    const counter = current(bucket, now.getTime());
    counter.hits += 1;
    counter.unshared += 1;
    return { hits: counter.hits, endsAt: new Date(counter.endsAtMs) };
  }

  function current(bucket: string, nowMs: number): Counter {
    const known = counters.get(bucket);
    if (known !== undefined && known.endsAtMs > nowMs) return known;
    const made = { endsAtMs: windowEnd(bucket, nowMs), hits: 0, unshared: 0 };
    counters.set(bucket, made);
    return made;
  }

  /** Tells the other processes what was counted here, and learns what they counted of the same buckets. */
  async function share(now: Date): Promise<void> {
    forgetEnded(now.getTime());
    const told = [...counters].flatMap(([bucket, counter]) => (counter.unshared > 0 ? [{ bucket, counter, hits: counter.unshared }] : []));
    if (told.length === 0) return;
    for (const { counter, hits } of told) counter.unshared -= hits;
    try {
      const list = told.map(({ bucket, counter, hits }) => ({ bucket, ends_at: new Date(counter.endsAtMs), hits }));
      const { rows } = await sql<{ bucket: string; ends_at: Date; hits: number }>`
        insert into rate_count as r (bucket, ends_at, hits)
        select bucket, ends_at, hits from jsonb_to_recordset(${JSON.stringify(list)}::jsonb) as t(bucket text, ends_at timestamptz, hits integer)
        order by bucket
        on conflict (bucket) do update set ends_at = excluded.ends_at,
          hits = excluded.hits + case when r.ends_at = excluded.ends_at then r.hits else 0 end
        where r.ends_at <= excluded.ends_at
        returning bucket, ends_at, hits`.execute(system);
      for (const row of rows) {
        const counter = counters.get(row.bucket);
        if (counter?.endsAtMs === row.ends_at.getTime()) counter.hits = row.hits + counter.unshared;
      }
    } catch (error) {
      for (const { counter, hits } of told) counter.unshared += hits;
      throw error;
    }
  }

  function forgetEnded(nowMs: number): void {
    for (const [bucket, counter] of counters) if (counter.endsAtMs <= nowMs) counters.delete(bucket);
  }

  /** Rows of minutes that are over. */
  async function deleteEnded(now: Date): Promise<void> {
    await system.deleteFrom('rate_count').where('ends_at', '<=', now).execute();
  }

  return { hit, share, deleteEnded };
}

/** The same in every process, and spread over the minute, so that not all that were refused come back at once. */
function windowEnd(bucket: string, nowMs: number): number {
  const offsetMs = createHash('sha256').update(bucket).digest().readUInt32BE() % WINDOW_MS;
  return (Math.floor((nowMs - offsetMs) / WINDOW_MS) + 1) * WINDOW_MS + offsetMs;
}
