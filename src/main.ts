// What `npm start` runs: a supervisor that does no work of its own.
import { fileURLToPath } from 'node:url';
import { readEnvironment } from './config.ts';
import { launch } from './embedded/launch.ts';

/**
 * Queues whose work needs processor or disk, and therefore a process of its own beside the API. Empty until a feature
 * with such work lands; the process starts as soon as there is one.
 */
const WORK_QUEUES: readonly string[] = [];

function moduleBeside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

process.exitCode = await launch({
  args: process.argv.slice(2),
  environment: readEnvironment(),
  modules: { app: moduleBeside('./server.ts'), work: { module: moduleBeside('./worker.ts'), queues: WORK_QUEUES } },
});
