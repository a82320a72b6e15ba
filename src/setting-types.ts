import { z } from 'zod';
import { DURATION_FORMAT, parseDuration } from './contracts/duration.ts';
import { isTimeZone } from './contracts/users.ts';
import { FEATURES } from './contracts/features.ts';
import { parseSourceRule } from './contracts/files/source.ts';

/** How one setting is explained in `.env.example` and `docs/settings.md`. */
export interface SettingNotes {
  readonly group: string;
  /** One line: what it does. */
  readonly description: string;
  /** What holds when it is unset, as a user would write or say it. */
  readonly unset: string;
  readonly unit?: string;
  /** The value is never shown, not even when it is wrong. */
  readonly secret?: true;
}

export const notes = new Map<z.ZodType, SettingNotes>();

const FEATURE_NAMES: readonly string[] = FEATURES;
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
export const MEBIBYTE_BYTES = 1024 * 1024;

export const text = z.string();
export const port = z
  .string()
  .transform(Number)
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 65_535, 'must be a port: a whole number from 1 to 65535');

export function wholeNumber(minimum: number, maximum: number) {
  return z
    .string()
    .transform(Number)
    .refine(
      (value) => Number.isInteger(value) && value >= minimum && value <= maximum,
      `must be a whole number from ${minimum} to ${maximum}`,
    );
}

export const duration = z.string().transform((value, context) => {
  const durationMs = parseDuration(value);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  context.addIssue({ code: 'custom', message: `must be ${DURATION_FORMAT}` });
  return z.NEVER;
});

export function url(...protocols: readonly string[]) {
  const list = protocols.map((protocol) => `${protocol}//`).join(' or ');
  return z.string().refine((value) => protocols.includes(protocolOf(value)), `must be a URL that begins with ${list}`);
}

export const postgresUrl = url('postgres:', 'postgresql:');
export const webUrl = url('http:', 'https:').transform((value) => value.replace(/\/+$/, ''));

const commaList = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
export const features = commaList.refine(
  (names) => names.length > 0 && names.every((name) => FEATURE_NAMES.includes(name)),
  `must be a list of these, with commas: ${FEATURE_NAMES.join(', ')}`,
);
/** `1h,24h,72h`, or `off` for none. */
export const durations = commaList.transform((items, context) => {
  if (items.join() === 'off') return [];
  const all = items.flatMap((item) => parseDuration(item) ?? []).filter((durationMs) => durationMs > 0);
  const isRising = all.every((durationMs, index) => index === 0 || durationMs > (all[index - 1] ?? 0));
  if (all.length === items.length && all.length > 0 && all.length <= 10 && isRising) return all;
  context.addIssue({
    code: 'custom',
    message: `must be off, or up to 10 durations with commas, each longer than the one before: ${DURATION_FORMAT}`,
  });
  return z.NEVER;
});
/** As `Europe/Berlin`. */
export const timeZone = z.string().refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin');
export const origins = commaList.refine(
  (values) => values.every((value) => value === '*' || URL.canParse(value)),
  'must be a list of origins such as https://app.example.com, with commas, or *',
);
/** `app=http://app.internal:3000,hooks=https://…`: names of the operator's own with an origin each. */
export const egressTargets = commaList.transform((items, context) => {
  const targets = items.map((item) => {
    const [name, origin] = [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)];
    const parsed = /^[a-z0-9][a-z0-9-]*$/.test(name) ? URL.parse(origin) : null;
    const isOrigin = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.href === `${parsed.origin}/`;
    return [name, isOrigin ? parsed.origin : undefined] as const;
  });
  const named = Object.fromEntries(targets.flatMap(([name, origin]) => (origin === undefined ? [] : [[name, origin] as const])));
  if (Object.keys(named).length === items.length) return named;
  context.addIssue({
    code: 'custom',
    message:
      'must be a list such as app=http://app.internal:3000, with commas: names of small letters, digits and -, each once, and origins without a path',
  });
  return z.NEVER;
});
/** `acme=s3://acme-inbox,*=s3://inbox/{tenant}`: which objects tenants may name as files. */
export const fileSources = commaList.transform((items, context) => {
  try {
    return items.map(parseSourceRule);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is wrong' });
    return z.NEVER;
  }
});
export const isOne = z
  .string()
  .refine((value) => value === '1', 'must be 1, or unset')
  .transform(() => true);
export const stripeSecretKey = z.string().regex(/^(sk|rk)_(test|live)_/, 'must begin with sk_test_, rk_test_, sk_live_ or rk_live_');
export const stripePublishableKey = z.string().regex(/^pk_(test|live)_/, 'must begin with pk_test_ or pk_live_');
export const stripeWebhookSecrets = commaList.refine(
  (secrets) => secrets.length >= 1 && secrets.length <= 2 && secrets.every((secret) => secret.startsWith('whsec_')),
  'must be one or two secrets that begin with whsec_, with a comma: the present one first, then the one before',
);
export const logLevel = z.string().refine((value) => LOG_LEVELS.includes(value), `must be one of ${LOG_LEVELS.join(', ')}`);

/** A setting: an optional value (unset means the fallback) with its notes. */
export function setting<T extends z.ZodType>(type: T, about: SettingNotes) {
  const optional = type.optional();
  notes.set(optional, about);
  return optional;
}

function protocolOf(value: string): string {
  return URL.canParse(value) ? new URL(value).protocol : '';
}
