import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const VERSION = 'v1.2.0';
const FOLDER = join(import.meta.dirname, `../../.cache/gofakes3-${VERSION}`);
const BINARY = join(FOLDER, 'gofakes3');
const BUILD_TIMEOUT_MS = 240_000;
/** On the path, where its own installer puts it, or where `.ci/run` does. */
const GO = ['go', '/usr/local/go/bin/go', join(import.meta.dirname, '../../.cache/go/go/bin/go')].find(
  (go) => spawnSync(go, ['version']).status === 0,
);

/** Why nothing that speaks S3 can be started here, or false. */
export const NO_S3 = GO === undefined && !existsSync(BINARY) ? 'there is no Go to build the emulator of S3 with' : false;

export interface S3Emulator extends AsyncDisposable {
  readonly endpoint: string;
}

/** gofakes3: an emulator, not a service. It keeps all in memory and asks for no signature; it is built once, into the cache. */
export async function startS3(bucket: string): Promise<S3Emulator> {
  build();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const child = spawn(BINARY, ['-backend', 'memory', '-host', `127.0.0.1:${port}`, '-initialbucket', bucket], { stdio: 'ignore' });
  await eventually(async () => (await fetch(`${endpoint}/${bucket}`)).ok, { timeoutMs: 30_000 });
  return {
    endpoint,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
    },
  };
}

function build(): void {
  if (existsSync(BINARY)) return;
  const module = `github.com/johannesboyne/gofakes3/cmd/gofakes3@${VERSION}`;
  const built = spawnSync(GO ?? 'go', ['install', module], {
    env: { ...process.env, GOBIN: FOLDER },
    timeout: BUILD_TIMEOUT_MS,
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`The emulator of S3 could not be built: ${built.stderr}`);
}
