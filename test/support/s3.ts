import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
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

/** A service that runs already: its endpoint, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a key that may make buckets. */
const GIVEN = process.env['TEST_S3_ENDPOINT'];

/** Why there is nothing here that speaks S3, or false. */
export const NO_S3 =
  GIVEN === undefined && GO === undefined && !existsSync(BINARY) ? 'there is no Go to build the emulator of S3 with' : false;

/** The service that was given, or the emulator. */
export interface S3Service extends AsyncDisposable {
  readonly endpoint: string;
}

/** With this bucket in it, which may hold what earlier runs left where a service was given. */
export async function startS3(bucket: string): Promise<S3Service> {
  // As the library finds them; the emulator takes any.
  process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test-secret';
  return GIVEN === undefined ? startEmulator(bucket) : openGiven(GIVEN, bucket);
}

async function openGiven(endpoint: string, bucket: string): Promise<S3Service> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: Error) => {
      if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
    });
  } finally {
    client.destroy();
  }
  return { endpoint, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** gofakes3: an emulator, not a service. It keeps all in memory and asks for no signature; it is built once, into the cache. */
async function startEmulator(bucket: string): Promise<S3Service> {
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
