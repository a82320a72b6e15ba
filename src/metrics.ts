import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from './contracts/clock.ts';

/** The event loop's delay is measured by a timer, at whose default of 10 ms an idle process is never idle. It is a part of what is measured. */
const LAG_EVERY_MS = 100;
const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** The product's own metrics. Labels have few values and nothing personal. */
export interface Metrics {
  readonly registry: Registry;
  readonly started: Counter<'kind' | 'eager'>;
  readonly finished: Counter<'kind' | 'status'>;
  readonly operationSeconds: Histogram<'kind' | 'status'>;
  readonly activitySeconds: Histogram<'activity' | 'outcome'>;
}

/** Where values come from that are asked for when somebody looks. */
export interface MetricSources {
  readonly backlog: () => Promise<{ readonly count: number; readonly oldest: Date | undefined }>;
  /** What the payment provider said and nobody has acted on. */
  readonly inbox: () => Promise<{ readonly count: number; readonly oldest: Date | undefined }>;
  readonly open: () => Promise<readonly { readonly kind: string; readonly count: number; readonly oldest: Date }[]>;
  readonly clock: Clock;
}

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  addBacklog(registers, {
    ask: sources.backlog,
    clock: sources.clock,
    name: 'nightshift_dispatch_backlog',
    help: 'Rows that are due for Temporal and not delivered.',
    oldestHelp: 'How long the oldest of them is due.',
  });
  addBacklog(registers, {
    ask: sources.inbox,
    clock: sources.clock,
    name: 'nightshift_payment_inbox_backlog',
    help: 'Events of the payment provider that were stored and not acted on.',
    oldestHelp: 'How long ago the oldest of them came.',
  });
  addOpenOperations(registers, sources);
  return {
    registry,
    started: new Counter({
      name: 'nightshift_operations_started_total',
      help: 'Workflows started, by kind and by whether the start was eager.',
      labelNames: ['kind', 'eager'],
      registers,
    }),
    finished: new Counter({
      name: 'nightshift_operations_finished_total',
      help: 'Operations that ended, by kind and status.',
      labelNames: ['kind', 'status'],
      registers,
    }),
    operationSeconds: new Histogram({
      name: 'nightshift_operation_seconds',
      help: 'From the start of an operation to its end.',
      labelNames: ['kind', 'status'],
      buckets: DURATION_BUCKETS_S,
      registers,
    }),
    activitySeconds: new Histogram({
      name: 'nightshift_activity_seconds',
      help: 'Duration of activity attempts.',
      labelNames: ['activity', 'outcome'],
      buckets: DURATION_BUCKETS_S,
      registers,
    }),
  };
}

export function countClosed(
  metrics: Metrics,
  { kind, status, seconds }: { readonly kind: string; readonly status: string; readonly seconds: number },
): void {
  metrics.finished.inc({ kind, status });
  metrics.operationSeconds.observe({ kind, status }, seconds);
}

interface Backlog {
  readonly ask: MetricSources['backlog'];
  readonly clock: Clock;
  readonly name: string;
  readonly help: string;
  readonly oldestHelp: string;
}

function addBacklog(registers: Registry[], { ask, clock, name, help, oldestHelp }: Backlog): void {
  const look = onceAtATime(ask);
  const age = new Gauge({
    name: `${name}_oldest_seconds`,
    help: oldestHelp,
    registers,
    async collect() {
      const found = await look();
      if (found !== undefined) age.set(found.oldest === undefined ? 0 : (clock().getTime() - found.oldest.getTime()) / 1000);
    },
  });
  const count = new Gauge({
    name,
    help,
    registers,
    async collect() {
      const found = await look();
      if (found !== undefined) count.set(found.count);
    },
  });
}

/** Metrics that are looked at together ask together. Undefined: there was no answer. */
function onceAtATime<T>(ask: () => Promise<T>): () => Promise<T | undefined> {
  let asking: Promise<T | undefined> | undefined;
  return () => {
    asking ??= ask()
      .catch(() => undefined)
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
}

function addOpenOperations(registers: Registry[], { open, clock }: MetricSources): void {
  const labelNames = ['kind'] as const;
  const look = onceAtATime(open);
  const age = new Gauge({
    name: 'nightshift_operations_open_oldest_seconds',
    help: 'Age of the oldest open operation.',
    labelNames,
    registers,
    async collect() {
      const found = await look();
      if (found === undefined) return;
      age.reset();
      for (const { kind, oldest } of found) age.set({ kind }, (clock().getTime() - oldest.getTime()) / 1000);
    },
  });
  const count = new Gauge({
    name: 'nightshift_operations_open',
    help: 'Operations that run or wait, by kind.',
    labelNames,
    registers,
    async collect() {
      const found = await look();
      if (found === undefined) return;
      count.reset();
      for (const row of found) count.set({ kind: row.kind }, row.count);
    },
  });
}

export interface MetricsServerOptions {
  readonly metrics: Metrics;
  readonly host: string;
  readonly port: number;
  /** Where the Temporal SDK serves its own metrics; they are shown on the same page. */
  readonly temporalUrl: string | undefined;
}

/** Prometheus page on a port of its own: ours, then the Temporal SDK's. */
export async function serveMetrics({ metrics, host, port, temporalUrl }: MetricsServerOptions): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    void (async () => {
      if (request.url !== '/metrics') return response.writeHead(404).end();
      const ours = await metrics.registry.metrics();
      const theirs = temporalUrl === undefined ? '' : await fetchText(temporalUrl);
      return response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(`${ours}\n${theirs}`);
    })();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Their page being away is no reason to hide ours. */
async function fetchText(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return answer.ok ? await answer.text() : '';
  } catch {
    return '';
  }
}
