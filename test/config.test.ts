import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigError, loadConfig, loadLaunchSettings } from '../src/config.ts';
import { parseDuration } from '../src/contracts/duration.ts';
import { FEATURES } from '../src/contracts/features.ts';
import { chooseQueues } from '../src/queues.ts';
import { describeSettings } from '../src/settings.ts';

const DATABASE_URL = 'postgres://app:secret@db.internal/nightshift';
const SMTP_URL = 'smtp://mail.internal';

function messageOf(environment: Record<string, string>): string {
  try {
    loadConfig(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail('The settings were accepted.');
}

describe('settings', () => {
  it('have defaults for everything but the database and the mail server', () => {
    const config = loadConfig({ DATABASE_URL, SMTP_URL });
    assert.equal(config.http.host, '127.0.0.1');
    assert.equal(config.http.publicUrl, 'http://127.0.0.1:7460');
    assert.equal(config.database.ownerUrl, DATABASE_URL);
    assert.equal(config.database.directUrl, DATABASE_URL);
    assert.equal(config.control.settleSweepMs, 30_000);
    assert.deepEqual(config.features, FEATURES);
    assert.equal(config.apiKeyFile, undefined);
  });

  it('are read from the environment, with units', () => {
    const config = loadConfig({
      DATABASE_URL,
      SMTP_URL,
      PORT: '8080',
      PUBLIC_URL: 'https://night.example.com/',
      CORS_ORIGINS: 'https://a.example.com, https://b.example.com',
      SETTLE_SWEEP: '1s',
      TEMPORAL_ADDRESS: 'temporal:7233',
      LOG_LEVEL: 'debug',
    });
    assert.equal(config.http.port, 8080);
    assert.equal(config.http.publicUrl, 'https://night.example.com');
    assert.deepEqual(config.http.corsOrigins, ['https://a.example.com', 'https://b.example.com']);
    assert.equal(config.control.settleSweepMs, 1000);
    assert.equal(config.temporal.address, 'temporal:7233');
    assert.equal(config.log.level, 'debug');
  });

  it('refuse live keys, halves of an account and keys of two modes, and never show a secret one', () => {
    const pages = { PAYMENT_RETURN_URL: 'https://shop.example/paid', CART_RECOVERY_URL: 'https://shop.example/cart' };
    const outside = { DATABASE_URL, SMTP_URL, ...pages };
    const [STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY, STRIPE_WEBHOOK_SECRETS] = ['sk_test_abc', 'pk_test_abc', 'whsec_new, whsec_old'];
    assert.equal(loadConfig(outside).payments, undefined);
    assert.deepEqual(loadConfig({ ...outside, STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY, STRIPE_WEBHOOK_SECRETS }).payments, {
      secretKey: STRIPE_API_KEY,
      publishableKey: STRIPE_PUBLISHABLE_KEY,
      webhookSecrets: ['whsec_new', 'whsec_old'],
      allowsLivePayments: false,
    });
    const wrong = (environment: Record<string, string>) => messageOf({ ...outside, STRIPE_WEBHOOK_SECRETS, ...environment });
    const live = { STRIPE_API_KEY: 'rk_live_secret', STRIPE_PUBLISHABLE_KEY: 'pk_live_abc' };
    assert.match(wrong(live), /STRIPE_API_KEY.*live key.*ALLOW_LIVE_PAYMENTS=1/);
    assert.doesNotMatch(wrong(live), /rk_live_secret/);
    assert.match(wrong({ ...live, ALLOW_LIVE_PAYMENTS: 'yes' }), /ALLOW_LIVE_PAYMENTS.*must be 1/);
    assert.match(wrong({ ...live, ALLOW_LIVE_PAYMENTS: '1', STRIPE_URL: 'http://127.0.0.1:1' }), /STRIPE_URL/);
    assert.equal(loadConfig({ ...outside, ...live, STRIPE_WEBHOOK_SECRETS, ALLOW_LIVE_PAYMENTS: '1' }).payments?.allowsLivePayments, true);
    assert.match(wrong({ STRIPE_API_KEY }), /STRIPE_PUBLISHABLE_KEY is not set/);
    assert.match(wrong({ STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY: 'pk_live_abc' }), /must begin with pk_test_/);
    assert.match(wrong({ STRIPE_API_KEY: 'pk_test_abc' }), /STRIPE_API_KEY: its value must begin with sk_test_/);
    for (const page of ['PAYMENT_RETURN_URL', 'CART_RECOVERY_URL'])
      assert.match(wrong({ STRIPE_API_KEY, STRIPE_PUBLISHABLE_KEY, [page]: '' }), new RegExp(`${page} is not set`));
    assert.match(messageOf({ ...outside, STRIPE_WEBHOOK_SECRETS: 'whsec_a,b' }), /STRIPE_WEBHOOK_SECRETS: its value must be/);
  });

  it('count as unset when empty, as in a copied .env.example', () => {
    assert.equal(loadConfig({ DATABASE_URL, SMTP_URL, PORT: '', MAIL_FROM: ' ' }).http.port, 7460);
  });

  it('are all named in one message when wrong', () => {
    const message = messageOf({ PORT: 'x', SETTLE_SWEEP: '5', FEATURES: 'email,nonsense', SMTP_URL: 'http://mail' });
    assert.match(message, /^5 settings are wrong:/);
    for (const name of ['PORT', 'SETTLE_SWEEP', 'FEATURES', 'SMTP_URL', 'DATABASE_URL']) assert.match(message, new RegExp(`- ${name}`));
  });

  it('never show the value of a secret', () => {
    const message = messageOf({ DATABASE_URL: 'mysql://root:topsecret@db/x', SMTP_URL: 'topsecret' });
    assert.doesNotMatch(message, /topsecret/);
    assert.match(message, /postgres:\/\//);
  });

  it('tell the supervisor what runs outside and which ports were asked for', () => {
    assert.deepEqual(loadLaunchSettings({}).external, { databaseUrl: undefined, temporal: false, smtpUrl: undefined, stripe: false });
    const settings = loadLaunchSettings({ TEMPORAL_PROFILE: 'cloud', PORT: '9000', DATABASE_URL });
    assert.deepEqual(settings.external, { databaseUrl: DATABASE_URL, temporal: true, smtpUrl: undefined, stripe: false });
    assert.deepEqual(settings.ports, { api: 9000, metrics: undefined, temporalMetrics: undefined });
  });

  it('each have notes of one line', () => {
    for (const [name, notes] of describeSettings()) {
      assert.match(name, /^[A-Z][A-Z_]+$/);
      assert.match(notes.description, /^[A-Z].*\.$/);
      assert.ok(notes.unset.length > 0);
    }
  });

  it('are documented as they are', () => {
    const script = fileURLToPath(new URL('../scripts/generate.ts', import.meta.url));
    const run = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
  });
});

describe('the queues of a process', () => {
  it('are those that its command line names, and for the API process those of the features that are on', () => {
    assert.deepEqual(chooseQueues(['--queues', 'mail, core']), ['core', 'mail']);
    assert.deepEqual(chooseQueues([], ['email']), ['core', 'mail']);
  });

  it('are refused with what there is, when one is unknown, none is named, or the flag is another', () => {
    for (const [args, message] of [
      [[], /^Say which queues to serve.* of: core, mail,/],
      [['--queues', 'mail,nope'], /of: core, mail,.*Not known: "nope"\.$/],
      [['--queues', ''], /Not known: ""/],
      [['--queue', 'mail'], /--queue/],
    ] as const)
      assert.throws(() => chooseQueues(args), { name: ConfigError.name, message });
  });
});

describe('durations', () => {
  it('are numbers with a unit', () => {
    const texts = ['250ms', '90s', '15m', '24h', '7d', '1.5s'];
    assert.deepEqual(texts.map(parseDuration), [250, 90_000, 900_000, 86_400_000, 604_800_000, 1500]);
  });

  it('are refused without one', () => {
    for (const text of ['', '5', 's', '5 s', '-1s', '1w', '1s2m']) assert.equal(parseDuration(text), undefined);
  });
});
