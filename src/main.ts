// What `npm start` runs: a supervisor that does no work of its own.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { CODE_CACHE_DIR } from './embedded/find-binaries.mjs';

// Before anything large is loaded: compiled code of earlier starts saves half of the loading.
enableCompileCache(CODE_CACHE_DIR);
const { readEnvironment } = await import('./config.ts');
const { launch } = await import('./embedded/launch.ts');
const { workQueues } = await import('./queues.ts');

function moduleBeside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

process.exitCode = await launch({
  args: process.argv.slice(2),
  environment: readEnvironment(),
  modules: { app: moduleBeside('./server.ts'), work: { module: moduleBeside('./worker.ts'), queues: workQueues } },
});
