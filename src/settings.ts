import { z } from 'zod';
import {
  duration,
  egressTargets,
  features,
  fileSources,
  LOG_LEVELS,
  logLevel,
  MEBIBYTE_BYTES,
  notes,
  origins,
  port,
  postgresUrl,
  setting,
  text,
  url,
  webUrl,
  wholeNumber,
  type SettingNotes,
} from './setting-types.ts';
import { checkoutSettings } from './settings-checkout.ts';

export type { SettingNotes } from './setting-types.ts';

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
    description:
      'Where the bytes of files live, for all processes: file: with a folder, such as file:///var/lib/nightshift/files, or s3: with a bucket, ' +
      'such as s3://my-bucket/folder?endpoint=https://s3.example.com&region=eu-1. Who we are there, the AWS SDK finds: AWS_ACCESS_KEY_ID and ' +
      'AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine.',
    unset: 'files in DATA_DIR',
    secret: true,
  }),
  ANTIVIRUS_URL: setting(url('clamd:'), {
    group: 'Files',
    description: 'Virus scanner: clamd://host:3310, or clamd:// with the path of its socket.',
    unset: 'the EICAR test file alone is known, and files say that nobody scanned them',
  }),
  ANTIVIRUS_HASHES_FILE: setting(text, {
    group: 'Files',
    description:
      'File with SHA-256 of known malware in hexadecimal, one a line, # before remarks; read when a process starts. Holds beside a scanner too.',
    unset: 'no hash is known',
  }),
  ARCHIVE_MAX_BYTES: setting(wholeNumber(MEBIBYTE_BYTES, Number.MAX_SAFE_INTEGER), {
    group: 'Files',
    description: 'What an archive may hold unpacked, with the archives in it; a larger one is put in quarantine.',
    unset: '1073741824',
    unit: 'bytes',
  }),
  ARCHIVE_MAX_ENTRIES: setting(wholeNumber(1, 1_000_000), {
    group: 'Files',
    description: 'How many entries an archive may have, with those of the archives in it.',
    unset: '10000',
  }),
  ARCHIVE_MAX_RATIO: setting(wholeNumber(2, 1_000_000), {
    group: 'Files',
    description:
      'How many times larger than packed the content of an archive may be, per entry and in all. Does not hold for a single text packed by gzip or zstd.',
    unset: '100',
  }),
  FILE_MAX_BYTES: setting(wholeNumber(1, Number.MAX_SAFE_INTEGER), {
    group: 'Files',
    description: 'Largest file.',
    unset: '21474836480',
    unit: 'bytes',
  }),
  FILE_QUOTA_BYTES: setting(wholeNumber(1, Number.MAX_SAFE_INTEGER), {
    group: 'Files',
    description: 'What all files of one tenant may have together.',
    unset: '1099511627776',
    unit: 'bytes',
  }),
  FILE_SOURCES: setting(fileSources, {
    group: 'Files',
    description:
      'Objects of S3 that tenants may name as files, which are then read there and never copied, changed or removed, with commas: ' +
      'acme=s3://acme-inbox/in?endpoint=https://s3.example.com opens one place to one tenant, *=s3://inbox/{tenant} a folder of its own to each. ' +
      'Must not lie where STORAGE_URL does.',
    unset: 'none',
  }),
  UPLOAD_EXPIRY: setting(duration, {
    group: 'Files',
    description: 'How long an upload is kept after its last bytes came, when it is not whole.',
    unset: '24h',
    unit: 'duration',
  }),
  TRANSFORM_CHUNK_BYTES: setting(wholeNumber(64 * 1024, 1024 * MEBIBYTE_BYTES), {
    group: 'Files',
    description: 'How much of a table is transformed at a time: at most so much is done again after a crash.',
    unset: '67108864',
    unit: 'bytes',
  }),
  TRANSFORM_MAX_REJECTS: setting(wholeNumber(0, 1_000_000_000), {
    group: 'Files',
    description: 'How many records of a table may be left out because they do not fit; with one more the transform fails.',
    unset: '1000000',
  }),
  WORK_DIR: setting(text, {
    group: 'Files',
    description: 'Folder for what work needs while it lasts, on a local disk of this machine or container alone.',
    unset: 'work in DATA_DIR',
  }),
  EGRESS_TARGETS: setting(egressTargets, {
    group: 'Outside',
    description:
      'No feature uses it yet. Inner hosts that calls and webhooks may reach, as name=origin with commas: app=http://app.internal:3000. Other targets must be public.',
    unset: 'none',
  }),
  ...checkoutSettings,
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
    unset: '24',
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

/** The notes of one setting. */
export function notesOf(name: string): SettingNotes {
  const found = describeSettings().find(([candidate]) => candidate === name)?.[1];
  if (found === undefined) throw new Error(`There is no setting ${name}.`);
  return found;
}
