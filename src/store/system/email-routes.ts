import { type Kysely, sql } from 'kysely';
import type { Database } from '../schema.ts';

/** After this long without being asked to slow down, the next pause is a short one again. */
const FORGET_SECONDS = 600;
const MAX_PAUSE_SECONDS = 300;
/** However long a server asks for: what it says may be a mistake. */
const MAX_ASKED_MS = 15 * 60_000;
const MAX_STRIKES = 9;

export interface RouteState {
  /** 0 while the route is open. */
  readonly pausedForMs: number;
  /** The next pause would be longer, and no mail got out since the last one. */
  readonly isStruck: boolean;
}

/** Pauses of mail servers that asked for them. The database's clock counts, which all processes share. */
export function createEmailRoutesStore(system: Kysely<Database>) {
  /** 2, 4, 8, … 300 s, or as long as the server asks for. What many mails find out at the same time is one pause, not many. */
  async function pause(route: string, askedMs = 0): Promise<RouteState> {
    const asked = Math.min(askedMs, MAX_ASKED_MS) / 1000;
    await sql`
      insert into email_route as r (route, strikes, paused_until, eased)
      values (${route}, 1, clock_timestamp() + make_interval(secs => greatest(2, ${asked})), false)
      on conflict (route) do update set (strikes, paused_until, eased) = (
        select next.strikes, greatest(r.paused_until, clock_timestamp() + make_interval(secs => greatest(next.seconds, ${asked}))), false
        from (select case when r.paused_until > clock_timestamp() then r.strikes
            when r.paused_until < clock_timestamp() - make_interval(secs => ${FORGET_SECONDS}) then 1
            else least(r.strikes + 1, ${MAX_STRIKES}) end) as s (strikes),
          lateral (select s.strikes, case when r.paused_until > clock_timestamp() then 0
            else least(power(2, s.strikes), ${MAX_PAUSE_SECONDS}) end) as next (strikes, seconds))
      where r.paused_until < clock_timestamp() + make_interval(secs => ${asked})`.execute(system);
    return state(route);
  }

  /** A mail got out after a pause: the next one is shorter. Counts once a pause, whoever says it. */
  async function ease(route: string): Promise<RouteState> {
    await sql`
      update email_route set strikes = strikes / 2, eased = true
      where route = ${route} and not eased and paused_until <= clock_timestamp()`.execute(system);
    return state(route);
  }

  async function state(route: string): Promise<RouteState> {
    const { rows } = await sql<{ ms: number; struck: boolean }>`
      select (extract(epoch from greatest(paused_until - clock_timestamp(), interval '0')) * 1000)::double precision as ms,
        strikes > 0 and not eased as struck
      from email_route where route = ${route}`.execute(system);
    const [found] = rows;
    return found === undefined ? { pausedForMs: 0, isStruck: false } : { pausedForMs: found.ms, isStruck: found.struck };
  }

  return { pause, ease, state };
}

export type EmailRoutesStore = ReturnType<typeof createEmailRoutesStore>;
