import { z } from 'zod';
import { DURATION_FORMAT, parseDuration } from './contracts/duration.ts';
import { FEATURES } from './contracts/features.ts';

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

const notes = new Map<z.ZodType, SettingNotes>();

const FEATURE_NAMES: readonly string[] = FEATURES;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const MEBIBYTE_BYTES = 1024 * 1024;

const text = z.string();
const port = z
  .string()
  .transform(Number)
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 65_535, 'must be a port: a whole number from 1 to 65535');

function wholeNumber(minimum: number, maximum: number) {
  return z
    .string()
    .transform(Number)
    .refine(
      (value) => Number.isInteger(value) && value >= minimum && value <= maximum,
      `must be a whole number from ${minimum} to ${maximum}`,
    );
}

const duration = z.string().transform((value, context) => {
  const durationMs = parseDuration(value);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  context.addIssue({ code: 'custom', message: `must be ${DURATION_FORMAT}` });
  return z.NEVER;
});

function url(...protocols: readonly string[]) {
  const list = protocols.map((protocol) => `${protocol}//`).join(' or ');
  return z.string().refine((value) => protocols.includes(protocolOf(value)), `must be a URL that begins with ${list}`);
}

const postgresUrl = url('postgres:', 'postgresql:');
const webUrl = url('http:', 'https:').transform((value) => value.replace(/\/+$/, ''));

const commaList = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);
const features = commaList.refine(
  (names) => names.length > 0 && names.every((name) => FEATURE_NAMES.includes(name)),
  `must be a list of these, with commas: ${FEATURE_NAMES.join(', ')}`,
);
const origins = commaList.refine(
  (values) => values.every((value) => value === '*' || URL.canParse(value)),
  'must be a list of origins such as https://app.example.com, with commas, or *',
);
/** `app=http://app.internal:3000,hooks=https://…`: names of the operator's own with an origin each. */
const egressTargets = commaList.transform((items, context) => {
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
const isOne = z
  .string()
  .refine((value) => value === '1', 'must be 1, or unset')
  .transform(() => true);
const stripeSecretKey = z.string().regex(/^(sk|rk)_(test|live)_/, 'must begin with sk_test_, rk_test_, sk_live_ or rk_live_');
const stripePublishableKey = z.string().regex(/^pk_(test|live)_/, 'must begin with pk_test_ or pk_live_');
const stripeWebhookSecrets = commaList.refine(
  (secrets) => secrets.length >= 1 && secrets.length <= 2 && secrets.every((secret) => secret.startsWith('whsec_')),
  'must be one or two secrets that begin with whsec_, with a comma: the present one first, then the one before',
);
const logLevel = z.string().refine((value) => LOG_LEVELS.includes(value), `must be one of ${LOG_LEVELS.join(', ')}`);

/** A setting: an optional value (unset means the fallback) with its notes. */
function setting<T extends z.ZodType>(type: T, about: SettingNotes) {
  const optional = type.optional();
  notes.set(optional, about);
  return optional;
}

/** Every setting of the product. Settings of Temporal's client library that are not here are read by it. */
export const settingsSchema = z.object({
  HOST: setting(text, { group: 'HTTP', description: 'Address that the API listens on.', unset: '127.0.0.1' }),
  PORT: setting(port, { group: 'HTTP', description: 'Port of the API.', unset: '7460' }),
  PUBLIC_URL: setting(webUrl, {
    group: 'HTTP',
    description: 'Where users reach the API from outside; links in answers and mails begin with it.',
    unset: 'http:// with the host and port',
  }),
  CORS_ORIGINS: setting(origins, {
    group: 'HTTP',
    description: 'Origins whose pages may call the API from a browser, with commas; * for all.',
    unset: 'none',
  }),
  BODY_LIMIT_BYTES: setting(wholeNumber(1024, 1024 * MEBIBYTE_BYTES), {
    group: 'HTTP',
    description: 'Largest request body.',
    unset: '8388608',
    unit: 'bytes',
  }),
  RATE_LIMIT_PER_MINUTE: setting(wholeNumber(1, 10_000_000), {
    group: 'HTTP',
    description: 'Requests that one API key may make.',
    unset: '6000',
    unit: 'requests per minute',
  }),
  METRICS_HOST: setting(text, { group: 'Metrics', description: 'Address that the metrics listen on.', unset: '127.0.0.1' }),
  METRICS_PORT: setting(port, { group: 'Metrics', description: 'Port of our Prometheus metrics.', unset: '7461' }),
  TEMPORAL_METRICS_PORT: setting(port, {
    group: 'Metrics',
    description: "Port of the Temporal SDK's Prometheus metrics.",
    unset: '7467',
  }),
  DATABASE_URL: setting(postgresUrl, {
    group: 'Database',
    description: 'PostgreSQL 15 or newer, as a login without rights of its own. Set: no embedded database starts.',
    unset: 'embedded PostgreSQL',
    secret: true,
  }),
  DATABASE_OWNER_URL: setting(postgresUrl, {
    group: 'Database',
    description: 'The same database as its owner, who runs the migrations and may create roles.',
    unset: 'DATABASE_URL',
    secret: true,
  }),
  DATABASE_SYSTEM_URL: setting(postgresUrl, {
    group: 'Database',
    description: 'The same database for work that belongs to no tenant.',
    unset: 'DATABASE_URL',
    secret: true,
  }),
  DATABASE_DIRECT_URL: setting(postgresUrl, {
    group: 'Database',
    description: 'The same database around a pooler such as PgBouncer, for LISTEN.',
    unset: 'DATABASE_URL',
    secret: true,
  }),
  DATABASE_POOL_SIZE: setting(wholeNumber(1, 1000), {
    group: 'Database',
    description: 'Connections that one process opens at most.',
    unset: '10',
    unit: 'connections',
  }),
  TEMPORAL_ADDRESS: setting(text, {
    group: 'Temporal',
    description: 'Temporal cluster or Temporal Cloud, as host:port. Set: no embedded Temporal starts.',
    unset: 'embedded Temporal',
  }),
  TEMPORAL_NAMESPACE: setting(text, { group: 'Temporal', description: 'Namespace of all workflows.', unset: 'nightshift' }),
  TEMPORAL_PROFILE: setting(text, {
    group: 'Temporal',
    description: "Profile of Temporal's configuration file. Set: no embedded Temporal starts.",
    unset: 'none',
  }),
  TEMPORAL_CONFIG_FILE: setting(text, {
    group: 'Temporal',
    description: "Temporal's configuration file (TOML). Set: no embedded Temporal starts.",
    unset: 'none',
  }),
  TEMPORAL_UI_URL: setting(webUrl, {
    group: 'Temporal',
    description: 'Temporal Web UI, for the links in operations.',
    unset: 'the embedded one, else no links',
  }),
  TEMPORAL_CLI_PATH: setting(text, {
    group: 'Temporal',
    description: 'The Temporal CLI that runs the embedded Temporal.',
    unset: 'temporal on PATH, else the one that set-up fetches',
  }),
  SMTP_URL: setting(url('smtp:', 'smtps:'), {
    group: 'Mail',
    description: 'Relay for outgoing mail. Set: no embedded mailbox starts.',
    unset: 'embedded mailbox',
    secret: true,
  }),
  MAIL_LOOKUP_URL: setting(webUrl, {
    group: 'Mail',
    description: 'Address of a MailDev that can be asked whether a message arrived.',
    unset: 'that of the embedded mailbox, else none',
  }),
  MAIL_FROM: setting(text.min(3, 'must be a mail address, with or without a name'), {
    group: 'Mail',
    description: 'Sender of mails that name none.',
    unset: 'Nightshift <no-reply@localhost>',
  }),
  STORAGE_URL: setting(url('file:', 's3:'), {
    group: 'Outside',
    description: 'No feature uses it yet. Where the bytes of files live: file: with a folder, such as file:///var/lib/nightshift/files.',
    unset: 'files in DATA_DIR',
    secret: true,
  }),
  EGRESS_TARGETS: setting(egressTargets, {
    group: 'Outside',
    description:
      'No feature uses it yet. Inner hosts that calls and webhooks may reach, as name=origin with commas: app=http://app.internal:3000. Other targets must be public.',
    unset: 'none',
  }),
  STRIPE_API_KEY: setting(stripeSecretKey, {
    group: 'Payments',
    description: 'No feature uses it yet. Secret or restricted key of the Stripe account.',
    unset: 'none',
    secret: true,
  }),
  STRIPE_PUBLISHABLE_KEY: setting(stripePublishableKey, {
    group: 'Payments',
    description: 'No feature uses it yet. Publishable key of the same account, for payment forms in browsers.',
    unset: 'none',
  }),
  STRIPE_WEBHOOK_SECRETS: setting(stripeWebhookSecrets, {
    group: 'Payments',
    description:
      "No feature uses it yet. Secret of the account's webhook endpoint; while it is being replaced both, with a comma, the new one first.",
    unset: 'none',
    secret: true,
  }),
  STRIPE_URL: setting(webUrl, {
    group: 'Payments',
    description:
      'No feature uses it yet. Where something that speaks as Stripe does is reached, such as a simulator. Never with a live key.',
    unset: 'Stripe',
  }),
  ALLOW_LIVE_PAYMENTS: setting(isOne, {
    group: 'Payments',
    description: 'No feature uses it yet. 1: a live key is accepted, and takes real money.',
    unset: 'live keys are refused',
  }),
  FEATURES: setting(features, {
    group: 'Work',
    description: 'Features to offer, with commas; work of the others waits.',
    unset: 'all that have landed',
  }),
  SETTLE_SWEEP: setting(duration, {
    group: 'Work',
    description: 'How often operations are compared with their workflows.',
    unset: '30s',
    unit: 'duration',
  }),
  DISPATCH_POLL: setting(duration, {
    group: 'Work',
    description: 'How often accepted work is looked for when no nudge came.',
    unset: '1s',
    unit: 'duration',
  }),
  MAX_UNOPENED_STARTS: setting(wholeNumber(1, 1000), {
    group: 'Work',
    description: 'Workflows that one process may have started but not yet opened.',
    unset: '8',
    unit: 'workflows',
  }),
  SHUTDOWN_GRACE: setting(duration, {
    group: 'Work',
    description: 'Time that running work gets to finish when a process is asked to stop.',
    unset: '10s',
    unit: 'duration',
  }),
  LOG_LEVEL: setting(logLevel, { group: 'Process', description: `One of ${LOG_LEVELS.join(', ')}.`, unset: 'info' }),
  DATA_DIR: setting(text, { group: 'Process', description: 'Folder of everything that the embedded servers keep.', unset: '.data' }),
  API_KEY_FILE: setting(text, {
    group: 'Process',
    description: 'File that the first start writes the first API key to.',
    unset: 'api-key in DATA_DIR with npm start, else none',
  }),
});

/** Values of the settings as parsed; what is unset is undefined. */
export type Settings = z.infer<typeof settingsSchema>;

/** Names of all settings with their notes, in the order of the schema. */
export function describeSettings(): readonly (readonly [name: string, notes: SettingNotes])[] {
  return Object.entries(settingsSchema.shape).map(([name, type]) => {
    const about = notes.get(type);
    if (about === undefined) throw new Error(`The setting ${name} has no notes.`);
    return [name, about];
  });
}

function protocolOf(value: string): string {
  return URL.canParse(value) ? new URL(value).protocol : '';
}
