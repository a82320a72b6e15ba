// Run by set-up once packages are installed, with NODE_COMPILE_CACHE set: makes the workflow bundle, and loads what the product's
// processes load, so that their first start finds both.
import { workflowBundlePath } from '../src/temporal/bundle-cache.ts';

const LOADED = [
  '../src/api/app.ts',
  '../src/api/email/index.ts',
  '../src/dependencies.ts',
  '../src/embedded/launch.ts',
  '../src/store/migrate.ts',
  '../src/temporal/serve.ts',
  '@maildev/api',
  '@maildev/smtp',
  '@maildev/ui/server',
];

await workflowBundlePath();
for (const module of LOADED) await import(module);
