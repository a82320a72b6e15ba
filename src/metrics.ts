import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** The product's own metrics. Labels have few values and nothing personal. */
export interface Metrics {
  readonly registry: Registry;
  readonly starts: Counter<'eager'>;
  readonly finished: Counter<'kind' | 'status'>;
  readonly activitySeconds: Histogram<'activity' | 'outcome'>;
  readonly openOperations: Gauge<'kind'>;
  readonly openOperationAge: Gauge<'kind'>;
  readonly backlog: Gauge;
  readonly backlogAge: Gauge;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    starts: new Counter({
      name: 'nightshift_starts_total',
      help: 'Workflows started, by whether the start was eager.',
      labelNames: ['eager'],
      registers,
    }),
    finished: new Counter({
      name: 'nightshift_operations_finished_total',
      help: 'Operations that ended, by kind and status.',
      labelNames: ['kind', 'status'],
      registers,
    }),
    activitySeconds: new Histogram({
      name: 'nightshift_activity_seconds',
      help: 'Duration of activity attempts.',
      labelNames: ['activity', 'outcome'],
      registers,
      buckets: DURATION_BUCKETS_S,
    }),
    openOperations: new Gauge({
      name: 'nightshift_operations_open',
      help: 'Operations that run or wait, by kind.',
      labelNames: ['kind'],
      registers,
    }),
    openOperationAge: new Gauge({
      name: 'nightshift_operations_open_oldest_seconds',
      help: 'Age of the oldest open operation.',
      labelNames: ['kind'],
      registers,
    }),
    backlog: new Gauge({ name: 'nightshift_dispatch_backlog', help: 'Rows that are due for Temporal and not delivered.', registers }),
    backlogAge: new Gauge({ name: 'nightshift_dispatch_backlog_oldest_seconds', help: 'How long the oldest of them is due.', registers }),
  };
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
