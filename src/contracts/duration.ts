const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** How a duration is written in settings and in the API; for messages that explain a wrong one. */
export const DURATION_FORMAT = 'a number with a unit: 250ms, 30s, 15m, 24h or 7d';

/** A duration such as `30s` in milliseconds, or undefined when the text is not one. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const unit = match?.[2];
  if (match === null || !isUnit(unit)) return undefined;
  return Math.round(Number(match[1]) * UNIT_MS[unit]);
}

function isUnit(text: string | undefined): text is keyof typeof UNIT_MS {
  return text !== undefined && Object.hasOwn(UNIT_MS, text);
}
