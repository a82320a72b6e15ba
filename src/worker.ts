import { ConfigError, loadConfig } from './config.ts';
import { createDependencies } from './dependencies.ts';
import { serveMetrics } from './metrics.ts';
import { chooseQueues } from './queues.ts';
import { workflowBundlePath } from './temporal/bundle-cache.ts';
import { installRuntime, serveQueues } from './temporal/serve.ts';

/** Without a supervisor the servers go too: what can't be finished at once goes on after the next start. */
const ORPHAN_GRACE_MS = 2_000;

/** A worker process: `node src/worker.ts --queues mail`. With `core` among its queues it also moves operations. */
async function main(): Promise<void> {
  const config = loadConfig();
  const queues = chooseQueues(process.argv.slice(2));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  process.once('disconnect', () => {
    stop.abort();
    setTimeout(() => process.exit(1), ORPHAN_GRACE_MS).unref();
  });
  await using deps = createDependencies(config, { processName: `worker:${queues.join('+')}` });
  installRuntime(deps.log, `${config.metrics.host}:${config.metrics.temporalPort}`);
  await using _metrics = await serveMetrics({
    metrics: deps.metrics,
    host: config.metrics.host,
    port: config.metrics.port,
    temporalUrl: `http://${config.metrics.host}:${config.metrics.temporalPort}/metrics`,
  });
  await using serving = await serveQueues({ deps, queues, workflowBundlePath: await workflowBundlePath(), signal: stop.signal });
  process.send?.({ type: 'ready' });
  deps.log.info({ queues }, 'ready');
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([serving.ended, stopped]);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof ConfigError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
