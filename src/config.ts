import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FEATURES } from './contracts/features.ts';
import type { SourceRule } from './contracts/files/source.ts';
import { problemsTogether } from './settings-together.ts';
import { notesOf, settingsSchema } from './settings.ts';
import type { Settings } from './settings.ts';

/** Environment variables as they came; values may be secret, so they are never logged. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of one server or worker process, checked and grouped. */
export interface Config {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl: string;
    readonly corsOrigins: readonly string[];
    readonly bodyLimitBytes: number;
    readonly rateLimitPerMinute: number;
  };
  readonly metrics: { readonly host: string; readonly port: number; readonly temporalPort: number };
  readonly database: {
    readonly url: string;
    readonly ownerUrl: string;
    readonly systemUrl: string;
    readonly directUrl: string;
    readonly poolSize: number;
  };
  readonly temporal: {
    readonly address: string | undefined;
    readonly namespace: string | undefined;
    readonly profile: string | undefined;
    readonly uiUrl: string | undefined;
    readonly configFile: string | undefined;
  };
  readonly mail: { readonly smtpUrl: string | undefined; readonly lookupUrl: string | undefined; readonly from: string };
  /** Undefined where no account is set. */
  readonly payments: StripeAccount | undefined;
  readonly checkout: {
    readonly paymentReturnUrl: string;
    readonly payWithinMs: number;
    readonly reconcilePaymentsMs: number;
    readonly shopName: string;
    readonly shopTenant: string;
    readonly shopTimeZone: string;
    readonly cartReminderDelaysMs: readonly number[];
    readonly cartRecoveryUrl: string;
    readonly cartExpiresMs: number;
  };
  /** A URL whose scheme chooses the driver. */
  readonly storageUrl: string;
  readonly files: {
    readonly maxBytes: number;
    readonly quotaBytes: number;
    readonly uploadExpiryMs: number;
    /** Objects elsewhere that tenants may name. */
    readonly sources: readonly SourceRule[];
    readonly antivirusUrl: string | undefined;
    /** File with hashes of known malware. */
    readonly antivirusHashesFile: string | undefined;
    /** Of an archive; more is put in quarantine. */
    readonly archive: { readonly maxInflatedBytes: number; readonly maxEntries: number; readonly maxRatio: number };
    readonly transformChunkBytes: number;
    readonly transformMaxRejects: number;
    /** For what work needs while it lasts. */
    readonly workDir: string;
  };
  /** Origins of inner hosts that calls and webhooks may reach, by the operator's name for each. */
  readonly egressTargets: Readonly<Record<string, string>>;
  readonly features: readonly string[];
  readonly log: { readonly level: string };
  readonly control: { readonly settleSweepMs: number; readonly dispatchPollMs: number; readonly maxUnopenedStarts: number };
  readonly dataDir: string;
  readonly apiKeyFile: string | undefined;
  readonly shutdownGraceMs: number;
  /** The whole environment, for libraries that read their own settings from it (Temporal's envconfig). */
  readonly environment: Environment;
}

/** How to reach an account at Stripe, or at what stands in for it. */
export interface StripeAccount {
  readonly secretKey: string;
  readonly publishableKey: string;
  /** The present one first. */
  readonly webhookSecrets: readonly string[];
  /** Set where it is not Stripe itself. */
  readonly simulatorUrl?: string;
  readonly allowsLivePayments: boolean;
}

/** What the supervisor needs to know: what runs outside, and which ports somebody asked for. */
export interface LaunchSettings {
  readonly host: string;
  readonly metricsHost: string;
  /** Ports that were set; undefined ones are the supervisor's to choose. */
  readonly ports: { readonly api: number | undefined; readonly metrics: number | undefined; readonly temporalMetrics: number | undefined };
  readonly publicUrl: string | undefined;
  readonly external: {
    readonly databaseUrl: string | undefined;
    readonly temporal: boolean;
    readonly smtpUrl: string | undefined;
    readonly stripe: boolean;
  };
  readonly features: readonly string[];
  readonly temporalAddress: string | undefined;
  readonly temporalUiUrl: string | undefined;
  readonly dataDir: string;
  readonly apiKeyFile: string | undefined;
  readonly shutdownGraceMs: number;
  readonly environment: Environment;
}

/** Settings are wrong; the message names all of them. Entry points print it and exit with 1. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const MEBIBYTE_BYTES = 1024 * 1024;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The environment of this process, with a `.env` file of the working directory under it when there is one. */
export function readEnvironment(): Environment {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

/**
 * Settings of a server or worker process.
 * @throws {ConfigError} naming every wrong setting
 */
export function loadConfig(environment: Environment = readEnvironment()): Config {
  const set = parse(environment, ['DATABASE_URL', 'SMTP_URL']);
  const databaseUrl = set.DATABASE_URL ?? '';
  const host = set.HOST ?? '127.0.0.1';
  const apiPort = set.PORT ?? 7460;
  const dataDir = resolve(set.DATA_DIR ?? '.data');
  return Object.freeze({
    http: Object.freeze({
      host,
      port: apiPort,
      publicUrl: set.PUBLIC_URL ?? localUrl(host, apiPort),
      corsOrigins: set.CORS_ORIGINS ?? [],
      bodyLimitBytes: set.BODY_LIMIT_BYTES ?? 8 * MEBIBYTE_BYTES,
      rateLimitPerMinute: set.RATE_LIMIT_PER_MINUTE ?? 6000,
    }),
    metrics: Object.freeze({
      host: set.METRICS_HOST ?? '127.0.0.1',
      port: set.METRICS_PORT ?? 7461,
      temporalPort: set.TEMPORAL_METRICS_PORT ?? 7467,
    }),
    database: Object.freeze({
      url: databaseUrl,
      ownerUrl: set.DATABASE_OWNER_URL ?? databaseUrl,
      systemUrl: set.DATABASE_SYSTEM_URL ?? databaseUrl,
      directUrl: set.DATABASE_DIRECT_URL ?? databaseUrl,
      poolSize: set.DATABASE_POOL_SIZE ?? 10,
    }),
    temporal: Object.freeze({
      address: set.TEMPORAL_ADDRESS,
      namespace: set.TEMPORAL_NAMESPACE,
      profile: set.TEMPORAL_PROFILE,
      uiUrl: set.TEMPORAL_UI_URL,
      configFile: set.TEMPORAL_CONFIG_FILE,
    }),
    mail: Object.freeze({
      smtpUrl: set.SMTP_URL,
      lookupUrl: set.MAIL_LOOKUP_URL,
      from: set.MAIL_FROM ?? 'Nightshift <no-reply@localhost>',
    }),
    payments: stripeAccount(set),
    checkout: checkoutOf(set, set.PUBLIC_URL ?? localUrl(host, apiPort)),
    storageUrl: set.STORAGE_URL ?? pathToFileURL(join(dataDir, 'files')).href,
    files: Object.freeze(filesOf(set, dataDir)),
    egressTargets: set.EGRESS_TARGETS ?? {},
    features: set.FEATURES ?? FEATURES,
    log: Object.freeze({ level: set.LOG_LEVEL ?? 'info' }),
    control: Object.freeze({
      settleSweepMs: set.SETTLE_SWEEP ?? 30_000,
      dispatchPollMs: set.DISPATCH_POLL ?? 1000,
      maxUnopenedStarts: set.MAX_UNOPENED_STARTS ?? 24,
    }),
    dataDir,
    apiKeyFile: set.API_KEY_FILE,
    shutdownGraceMs: set.SHUTDOWN_GRACE ?? 10_000,
    environment,
  });
}

function filesOf(set: Settings, dataDir: string): Config['files'] {
  return {
    maxBytes: set.FILE_MAX_BYTES ?? 20 * 1024 * MEBIBYTE_BYTES,
    quotaBytes: set.FILE_QUOTA_BYTES ?? 1024 * 1024 * MEBIBYTE_BYTES,
    uploadExpiryMs: set.UPLOAD_EXPIRY ?? 24 * 3_600_000,
    sources: set.FILE_SOURCES ?? [],
    antivirusUrl: set.ANTIVIRUS_URL,
    antivirusHashesFile: set.ANTIVIRUS_HASHES_FILE,
    archive: {
      maxInflatedBytes: set.ARCHIVE_MAX_BYTES ?? 1024 * MEBIBYTE_BYTES,
      maxEntries: set.ARCHIVE_MAX_ENTRIES ?? 10_000,
      maxRatio: set.ARCHIVE_MAX_RATIO ?? 100,
    },
    transformChunkBytes: set.TRANSFORM_CHUNK_BYTES ?? 64 * MEBIBYTE_BYTES,
    transformMaxRejects: set.TRANSFORM_MAX_REJECTS ?? 1_000_000,
    workDir: resolve(set.WORK_DIR ?? join(dataDir, 'work')),
  };
}

/**
 * Settings of the supervisor, where an unset outside part means an embedded one. Checks the settings of its children
 * too, so that a wrong one is reported before anything starts.
 * @throws {ConfigError} naming every wrong setting
 */
export function loadLaunchSettings(environment: Environment = readEnvironment()): LaunchSettings {
  const set = parse(environment, []);
  return {
    host: set.HOST ?? '127.0.0.1',
    metricsHost: set.METRICS_HOST ?? '127.0.0.1',
    ports: { api: set.PORT, metrics: set.METRICS_PORT, temporalMetrics: set.TEMPORAL_METRICS_PORT },
    publicUrl: set.PUBLIC_URL,
    external: {
      databaseUrl: set.DATABASE_URL,
      temporal: [set.TEMPORAL_ADDRESS, set.TEMPORAL_PROFILE, set.TEMPORAL_CONFIG_FILE].some((value) => value !== undefined),
      smtpUrl: set.SMTP_URL,
      stripe: set.STRIPE_API_KEY !== undefined,
    },
    features: set.FEATURES ?? FEATURES,
    temporalAddress: set.TEMPORAL_ADDRESS,
    temporalUiUrl: set.TEMPORAL_UI_URL,
    dataDir: resolve(set.DATA_DIR ?? '.data'),
    apiKeyFile: set.API_KEY_FILE,
    shutdownGraceMs: set.SHUTDOWN_GRACE ?? 10_000,
    environment,
  };
}

function checkoutOf(set: Settings, publicUrl: string): Config['checkout'] {
  return Object.freeze({
    paymentReturnUrl: set.PAYMENT_RETURN_URL ?? `${publicUrl}/shop`,
    payWithinMs: set.PAY_WITHIN ?? 30 * MINUTE_MS,
    reconcilePaymentsMs: set.RECONCILE_PAYMENTS ?? 5 * MINUTE_MS,
    shopName: set.SHOP_NAME ?? 'Nightshift shop',
    shopTenant: set.SHOP_TENANT ?? 'default',
    shopTimeZone: set.SHOP_TIME_ZONE ?? 'UTC',
    cartReminderDelaysMs: set.CART_REMINDERS ?? [60 * MINUTE_MS, DAY_MS, 3 * DAY_MS],
    cartRecoveryUrl: set.CART_RECOVERY_URL ?? `${publicUrl}/shop`,
    cartExpiresMs: set.CART_EXPIRES ?? 30 * DAY_MS,
  });
}

/** Where a browser on this machine reaches what listens on this address. */
export function localUrl(host: string, portNumber: number): string {
  const isAnyAddress = host === '0.0.0.0' || host === '::';
  const name = isAnyAddress ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${portNumber}`;
}

function parse(environment: Environment, required: readonly (keyof Settings)[]): Settings {
  // An empty value, as in `PORT=` of a copied .env.example, means unset.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''));
  const result = settingsSchema.safeParse(given);
  const problems = required.filter((name) => given[name] === undefined).map((name) => `${name} is not set (${notesOf(name).description})`);
  if (result.success) problems.push(...problemsTogether(result.data));
  if (result.success && problems.length === 0) return result.data;
  for (const issue of result.error?.issues ?? []) {
    const name = String(issue.path[0]);
    const shown = notesOf(name).secret ? 'its value' : JSON.stringify(given[name]);
    problems.push(`${name}: ${shown} ${issue.message}`);
  }
  const title = problems.length === 1 ? 'One setting is wrong:' : `${problems.length} settings are wrong:`;
  throw new ConfigError([title, ...problems.map((problem) => `  - ${problem}`), 'All settings: docs/settings.md'].join('\n'));
}

function stripeAccount(set: Settings): StripeAccount | undefined {
  const { STRIPE_API_KEY: secretKey, STRIPE_PUBLISHABLE_KEY: publishableKey, STRIPE_WEBHOOK_SECRETS: webhookSecrets } = set;
  if (secretKey === undefined || publishableKey === undefined || webhookSecrets === undefined) return undefined;
  return {
    secretKey,
    publishableKey,
    webhookSecrets,
    ...(set.STRIPE_URL === undefined ? {} : { simulatorUrl: set.STRIPE_URL }),
    allowsLivePayments: set.ALLOW_LIVE_PAYMENTS ?? false,
  };
}
