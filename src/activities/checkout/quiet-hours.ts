const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Nobody is reminded from nine in the evening to eight in the morning, by the clock where the buyer is. */
const QUIET_FROM_HOUR = 21;
const QUIET_UNTIL_HOUR = 8;

/** What a clock on the wall shows somewhere, as if it were UTC: arithmetic on it knows no changes of the clock. */
type WallMs = number;

/** The first instant from `at` on that is not in the night of a zone. */
export function afterQuietHours(at: Date, timeZone: string): Date {
  const wall = wallClock(at, timeZone);
  const hour = new Date(wall).getUTCHours();
  if (hour >= QUIET_UNTIL_HOUR && hour < QUIET_FROM_HOUR) return at;
  const day = startOfDay(wall) + (hour >= QUIET_FROM_HOUR ? DAY_MS : 0);
  // Where a whole morning was passed over, it may still be night.
  return afterQuietHours(firstInstant(day + QUIET_UNTIL_HOUR * HOUR_MS, timeZone), timeZone);
}

/** When the next night begins, for what must not be done in it. */
export function nextQuietHours(at: Date, timeZone: string): Date {
  const wall = wallClock(at, timeZone);
  const evening = startOfDay(wall) + QUIET_FROM_HOUR * HOUR_MS;
  return firstInstant(evening > wall ? evening : evening + DAY_MS, timeZone);
}

/** Whether a zone of this name is known here. */
export function isKnownZone(timeZone: string): boolean {
  try {
    formatterFor(timeZone);
    return true;
  } catch {
    return false;
  }
}

/**
 * When a clock on the wall first shows this or later. Where it is set forward over the time, that is the moment of the change; where it
 * is set back and shows the time twice, the first of the two.
 */
function firstInstant(wall: WallMs, timeZone: string): Date {
  // Offsets change at most by a few hours, and not twice within two days.
  const offsets = [-DAY_MS, DAY_MS].map((away) => wallClock(new Date(wall + away), timeZone) - (wall + away));
  const candidates = offsets.map((offset) => wall - offset).toSorted((a, b) => a - b);
  const shown = candidates.find((instant) => wallClock(new Date(instant), timeZone) === wall);
  if (shown !== undefined) return new Date(shown);
  const [before = wall, after = wall] = candidates;
  return new Date(changeBetween({ before, after, timeZone, wall }));
}

interface Gap {
  readonly before: number;
  readonly after: number;
  readonly timeZone: string;
  readonly wall: WallMs;
}

/** The moment, to the second, at which the clock passes `wall`. */
function changeBetween({ before, after, timeZone, wall }: Gap): number {
  let [low, high] = [before, after];
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (wallClock(new Date(middle), timeZone) >= wall) high = middle;
    else low = Math.max(middle, low + 1000);
  }
  return high;
}

function startOfDay(wall: WallMs): WallMs {
  return wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS);
}

function wallClock(at: Date, timeZone: string): WallMs {
  const parts = Object.fromEntries(
    formatterFor(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((at.getTime() % 1000) + 1000) % 1000);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterFor(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en', {
    ...{ timeZone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  formatters.set(timeZone, made);
  return made;
}
