import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createFileSweep } from './activities/files/sweep.ts';
import { createApp } from './api/app.ts';
import { ensureFirstKey } from './api/lib/first-key.ts';
import { createHttpServer } from './api/lib/http-server.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { startStoreJobs } from './control/index.ts';
import { startFileJobs } from './control/files.ts';
import { startPaymentJobs } from './control/payments.ts';
import { startStreamHub } from './control/stream-hub.ts';
import type { TaskQueue } from './contracts/pure/task-queues.ts';
import { createDependencies, type Dependencies } from './dependencies.ts';
import { serveMetrics } from './metrics.ts';
import { chooseQueues, queuesBesideCore } from './queues.ts';
import { retryUntilDone } from './retry.ts';
import { isConnectionError } from './store/database.ts';
import { migrate } from './store/migrate.ts';
import { workflowBundlePath } from './temporal/bundle-cache.ts';
import { checkQueues, checkTemporal } from './temporal/health.ts';
import { installRuntime, serveQueues, type Serving } from './temporal/serve.ts';

const DATABASE_RETRY_MS = 300;
/** Without a supervisor the servers go too: what can't be finished at once goes on after the next start. */
const ORPHAN_GRACE_MS = 2_000;

/**
 * The API process: HTTP, what moves operations, and the queues of outside calls, or those that `--queues core,…` names. Accepts work as
 * soon as the database is there.
 */
async function main(): Promise<void> {
  const config = loadConfig();
  const queues = chooseQueues(process.argv.slice(2), config.features);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  process.once('disconnect', () => {
    stop.abort();
    setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref();
  });

  await using deps = createDependencies(config, { processName: 'app' });
  installRuntime(deps.log, `${config.metrics.host}:${config.metrics.temporalPort}`);
  const bundlePath = workflowBundlePath();
  await prepareDatabase(deps, stop.signal);
  await using _jobs = startStoreJobs(deps);
  await using _files = startFileJobs({ sweep: createFileSweep(deps), clock: deps.clock, log: deps.log });
  await using hub = startStreamHub(deps.store.streams, deps.log);
  await using payments = paymentJobsOf(deps);
  const state: { serving?: Serving } = {};
  const app = await createApp({
    http: config.http,
    store: deps.store,
    hub,
    templates: deps.templates,
    catalogue: deps.catalogue,
    payments: deps.payments,
    payWithinMs: config.checkout.payWithinMs,
    shop: { name: config.checkout.shopName, tenantId: config.checkout.shopTenant },
    wakePayments: () => payments?.wake(),
    storage: deps.storage,
    sources: deps.sources,
    findBytes: deps.findBytes,
    files: config.files,
    kinds: deps.kinds,
    features: config.features,
    clock: deps.clock,
    log: deps.log,
    registry: deps.metrics.registry,
    version: await readVersion(),
    shuttingDown: stop.signal,
    isUnavailable: isConnectionError,
    health: () => health(deps, state.serving),
    ...(config.temporal.uiUrl === undefined ? {} : { temporalUiLink: temporalUiLink(config, config.temporal.uiUrl) }),
  });
  await using _metrics = await serveMetrics({
    metrics: deps.metrics,
    host: config.metrics.host,
    port: config.metrics.port,
    temporalUrl: `http://${config.metrics.host}:${config.metrics.temporalPort}/metrics`,
  });
  await using http = await listen(createHttpServer(app, config.http.publicUrl), config.http);
  await serveUntilStopped(deps, { state, http, queues, bundlePath: await bundlePath, signal: stop.signal });
}

/** Undefined where nothing is sold. */
function paymentJobsOf({ config, store, paymentSync, clock, log }: Dependencies) {
  if (!config.features.includes('checkout')) return undefined;
  return startPaymentJobs({ store, payments: paymentSync, clock, log, reconcileMs: config.checkout.reconcilePaymentsMs });
}

interface ServeState {
  readonly state: { serving?: Serving };
  readonly http: AsyncDisposable;
  readonly queues: readonly TaskQueue[];
  readonly bundlePath: string;
  readonly signal: AbortSignal;
}

async function serveUntilStopped(deps: Dependencies, { state, http, queues, bundlePath, signal }: ServeState): Promise<void> {
  try {
    await using serving = await serveQueues({ deps, queues, workflowBundlePath: bundlePath, signal });
    state.serving = serving;
    process.send?.({ type: 'ready' });
    deps.log.info({ port: deps.config.http.port }, 'ready');
    await Promise.race([serving.ended, aborted(signal)]);
    deps.log.info('stopping');
    // No new requests while workers finish what they have; what was accepted meanwhile waits in the database.
    await http[Symbol.asyncDispose]();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function prepareDatabase({ config, log, store, clock }: Dependencies, signal: AbortSignal): Promise<void> {
  await retryUntilDone(
    () => migrate({ ownerUrl: config.database.ownerUrl, loginUser: decodeURIComponent(new URL(config.database.url).username) }),
    {
      everyMs: DATABASE_RETRY_MS,
      signal,
      onFailure(error, tries) {
        if (!isConnectionError(error)) throw error;
        if (tries % 10 === 1) log.warn({ tries }, 'the database cannot be reached, trying again');
      },
    },
  );
  if (config.apiKeyFile !== undefined) await ensureFirstKey({ store, file: config.apiKeyFile, now: clock() });
}

async function health({ store, clock, config }: Dependencies, serving: Serving | undefined) {
  const database = await store.system.dispatch.backlog(clock()).then(
    ({ count }) => ({ ok: true, detail: `${count} waiting for Temporal` }),
    () => ({ ok: false, detail: 'The database cannot be reached.' }),
  );
  if (serving === undefined) {
    const detail = 'Temporal cannot be reached yet, or the first workflow has not run. Work is accepted and waits.';
    return { ready: false, checks: { database, core: { ok: false, detail } } };
  }
  const [core, queues] = await Promise.all([
    checkTemporal(serving.temporal),
    checkQueues(serving.temporal, queuesBesideCore(config.features), clock()),
  ]);
  // Requests are still taken while Temporal or a queue's worker is away, so a load balancer must not turn them down.
  return { ready: database.ok, checks: { database, core, ...queues } };
}

function temporalUiLink({ temporal }: Config, uiUrl: string): (workflowId: string) => string {
  return (workflowId) => `${uiUrl}/namespaces/${temporal.namespace ?? 'nightshift'}/workflows/${encodeURIComponent(workflowId)}`;
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '0.0.0';
}

async function listen(server: Server, { host, port }: Config['http']): Promise<AsyncDisposable> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await closed;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
