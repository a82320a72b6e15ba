import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { asyncLocalStorage } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { Catalogue } from './adapters/catalogue.ts';
import { createDemoFulfilment } from './adapters/fulfilment-demo.ts';
import type { Fulfilment } from './adapters/fulfilment.ts';
import { createUnsetPayments } from './adapters/payments-unset.ts';
import { createPayments, type Payments } from './adapters/payments.ts';
import { createTemplateFolder } from './adapters/templates-folder.ts';
import type { EmailTemplates } from './adapters/templates.ts';
import { createAntivirus, readHashes } from './adapters/antivirus.ts';
import { createFindBytes, type FindBytes } from './adapters/file-bytes.ts';
import { createFileChecker, type FileChecker } from './adapters/file-checker.ts';
import { createSources, type Sources } from './adapters/sources.ts';
import { createStorage, type Storage } from './adapters/storage.ts';
import { createDuckdbTables } from './adapters/tables-duckdb.ts';
import { createMailer, type Mailer } from './adapters/mailer.ts';
import { createPaymentSync, type PaymentSync } from './activities/checkout/sync.ts';
import { createSlots } from './activities/lib/slots.ts';
import { createActivities, type QueueActivities } from './activities/index.ts';
import { createBackground } from './activities/lib/background.ts';
import type { Config } from './config.ts';
import { createDispatchBridge, type DispatchBridge } from './contracts/bridge.ts';
import { type Clock, systemClock } from './contracts/clock.ts';
import { KINDS, type Kinds } from './contracts/kinds.ts';
import { createLog } from './log.ts';
import { countClosed, createMetrics, type Metrics } from './metrics.ts';
import { viewOf } from './store/checkout/orders.ts';
import { openDatabases } from './store/database.ts';
import { createStore, type Store } from './store/index.ts';

const TEMPLATES_FOLDER = join(import.meta.dirname, '../templates/email');

/** Everything a process is made of, made in one place and disposed of in one. */
export interface Dependencies extends AsyncDisposable {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly kinds: Kinds;
  readonly bridge: DispatchBridge;
  readonly store: Store;
  readonly mailer: Mailer;
  readonly storage: Storage;
  /** Objects that are somebody else's. */
  readonly sources: Sources;
  readonly findBytes: FindBytes;
  readonly templates: EmailTemplates;
  /** What is sold, for how much; put your own here. */
  readonly catalogue: Catalogue;
  readonly payments: Payments;
  readonly paymentSync: PaymentSync;
  readonly activities: QueueActivities;
}

/** What a test puts in the place of the real thing. */
export type Overrides = Partial<Pick<Dependencies, 'log' | 'clock' | 'kinds' | 'mailer' | 'storage' | 'catalogue' | 'payments'>> & {
  readonly checker?: FileChecker;
  readonly fulfilment?: Fulfilment;
  readonly processName?: string;
  /** Adds activities to those of the product. */
  readonly extendActivities?: (activities: QueueActivities, store: Store) => QueueActivities;
};

/** Opens pools and makes drivers; nothing here waits for an outside party to be up. */
export function createDependencies(config: Config, overrides: Overrides = {}): Dependencies {
  const log = overrides.log ?? createLog(config.log.level, overrides.processName ?? 'nightshift');
  const databases = openDatabases(config.database, { isStep: isLocalActivity });
  const bridge = createDispatchBridge();
  const store = createStore(databases, bridge);
  const mailer = overrides.mailer ?? mailerOf(config);
  const bytes = bytesOf(config, overrides);
  const templates = createTemplateFolder(TEMPLATES_FOLDER);
  const clock = overrides.clock ?? systemClock;
  const metrics = createMetrics({
    backlog: () => store.system.dispatch.backlog(clock()),
    inbox: () => store.system.checkout.inboxBacklog(),
    open: () => store.system.operations.countOpen(),
    clock,
  });
  const kinds = overrides.kinds ?? KINDS;
  const catalogue = overrides.catalogue ?? store.products.catalogue;
  const payments = overrides.payments ?? paymentsOf(config);
  const paymentSync = createPaymentSync({ store, payments, payWithinMs: config.checkout.payWithinMs });
  const background = createBackground(log);
  const activities = createActivities({
    payments,
    sync: paymentSync,
    fulfilment: overrides.fulfilment ?? createDemoFulfilment(),
    templates,
    viewOf,
    catalogue,
    ...rulesOf(config),
    store,
    background,
    kinds,
    mailer,
    ...bytes,
    ...fileToolsOf(config, overrides),
    slots: createSlots(availableParallelism()),
    ...mailRulesOf(config),
    publicUrl: config.http.publicUrl,
    onClosed: (closing) => countClosed(metrics, closing),
  });
  return {
    config,
    log,
    metrics,
    clock,
    kinds,
    bridge,
    store,
    mailer,
    ...bytes,
    templates,
    payments,
    paymentSync,
    catalogue,
    activities: overrides.extendActivities?.(activities, store) ?? activities,
    async [Symbol.asyncDispose]() {
      await background.settled(config.shutdownGraceMs);
      await databases[Symbol.asyncDispose]();
    },
  };
}

/** Has 2 s, whoever else waits for the database. */
function isLocalActivity(): boolean {
  return asyncLocalStorage.getStore()?.info.isLocal === true;
}

/** Where bytes are kept, and where they are read. */
function bytesOf({ storageUrl, files }: Config, overrides: Overrides) {
  const { workDir, sources: rules } = files;
  const storage = overrides.storage ?? createStorage(storageUrl, { workDir });
  const sources = createSources({ rules, workDir });
  return { storage, sources, findBytes: createFindBytes({ storage, sources }) };
}

/** What looks into files, and makes others of them. */
function fileToolsOf({ files }: Config, { checker }: Overrides) {
  return {
    checker: checker ?? createFileChecker({ antivirus: antivirusOf(files), limits: files.archive }),
    tables: createDuckdbTables({ folder: files.workDir }),
    transforms: { chunkBytes: files.transformChunkBytes, maxRejects: files.transformMaxRejects, quotaBytes: files.quotaBytes },
  };
}

function antivirusOf({ antivirusUrl: url, antivirusHashesFile: path }: Config['files']) {
  return createAntivirus({ url, hashes: path === undefined ? [] : readHashes(path) });
}

/** How the shop goes about carts and payments. */
function rulesOf({ checkout }: Config) {
  return {
    returnUrl: checkout.paymentReturnUrl,
    shopName: checkout.shopName,
    cartRules: {
      reminderDelaysMs: checkout.cartReminderDelaysMs,
      shopTimeZone: checkout.shopTimeZone,
      expiresAfterMs: checkout.cartExpiresMs,
    },
    cartRecoveryUrl: checkout.cartRecoveryUrl,
  };
}

/** How mail goes out. */
function mailRulesOf(config: Config) {
  return { from: config.mail.from, route: routeOf(config), sendsMail: config.features.includes('email') };
}

/** Host and port, without the login. */
function routeOf({ mail }: Config): string {
  return mail.smtpUrl === undefined ? 'smtp' : new URL(mail.smtpUrl).host;
}

function mailerOf({ mail }: Config): Mailer {
  if (mail.smtpUrl === undefined) throw new Error('SMTP_URL is required by a process that sends mail.');
  return createMailer({ smtpUrl: mail.smtpUrl, ...(mail.lookupUrl === undefined ? {} : { lookupUrl: mail.lookupUrl }) });
}

function paymentsOf({ payments }: Config): Payments {
  return payments === undefined ? createUnsetPayments() : createPayments(payments);
}
