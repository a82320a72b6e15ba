// The real supervisor and the real embedded servers around a stand-in for the API process.
import { fileURLToPath } from 'node:url';
import { launch } from '../../src/embedded/launch.ts';

process.exitCode = await launch({
  args: process.argv.slice(2),
  environment: process.env,
  modules: { app: fileURLToPath(new URL('./stand-in-app.ts', import.meta.url)), work: undefined },
});
