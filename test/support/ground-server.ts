// The process that owns the servers of a test run: PostgreSQL, Temporal, time-skipping servers, the workflow bundle. Test processes ask for
// what they need over a socket, one JSON object a line; what they got is given back when their connection closes. Nothing starts before
// it is asked for. It ends when its standard input closes.
import { rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What can be asked for, and what is answered. */
export interface GroundValues {
  readonly database: { readonly databaseUrl: string; readonly ownerUrl: string };
  readonly temporal: { readonly temporalAddress: string; readonly namespace: string };
  readonly bundle: { readonly bundlePath: string };
  readonly testServer: { readonly testServerAddress: string };
}

export interface GroundRequest {
  readonly id: number;
  readonly want: keyof GroundValues;
}

export type GroundReply =
  | { readonly id: number; readonly value: GroundValues[keyof GroundValues] }
  | { readonly id: number; readonly error: string };

type Release = () => Promise<void>;

const folder = process.argv[2] ?? '';
const started: Promise<{ stop(): Promise<void> }>[] = [];

// What loads slowly is imported when it is needed.
const databases = lazily(async () => {
  const { createDatabases } = await import('./databases.ts');
  return await start(createDatabases(join(folder, 'postgres')));
});
const temporal = lazily(async () => {
  const { startTemporal } = await import('./servers.ts');
  return await start(startTemporal());
});
const bundlePath = lazily(async () => {
  const { buildTestBundle } = await import('./bundle.ts');
  return await buildTestBundle(join(folder, 'workflow-bundle.js'));
});

const give: { readonly [Want in keyof GroundValues]: (releases: Release[]) => Promise<GroundValues[Want]> } = {
  async database(releases) {
    const database = await (await databases()).create();
    releases.push(database.drop);
    return { databaseUrl: database.databaseUrl, ownerUrl: database.ownerUrl };
  },
  async temporal() {
    const { address, takeNamespace } = await temporal();
    return { temporalAddress: address, namespace: await takeNamespace() };
  },
  async bundle() {
    return { bundlePath: await bundlePath() };
  },
  async testServer(releases) {
    const { startTestServer } = await import('./servers.ts');
    const { address, stop } = await start(startTestServer());
    releases.push(stop);
    return { testServerAddress: address };
  },
};

const server = createServer(serve).listen(join(folder, 'ground.sock'), () => process.stdout.write('listening\n'));
process.stdin.resume().once('end', () => void shutDown());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void shutDown());

function serve(socket: Socket): void {
  const releases: Release[] = [];
  createInterface(socket).on('line', (line) => {
    const request = JSON.parse(line) as GroundRequest; // written by ./ground.ts
    void answer(request, releases).then((reply) => socket.write(`${JSON.stringify(reply)}\n`));
  });
  socket.on('error', () => undefined);
  socket.once('close', () => void Promise.allSettled(releases.map((release) => release())));
}

async function answer({ id, want }: GroundRequest, releases: Release[]): Promise<GroundReply> {
  try {
    return { id, value: await give[want](releases) };
  } catch (error) {
    return { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

async function shutDown(): Promise<void> {
  server.close();
  // A server that is still starting is waited for, so that it is stopped as well.
  const servers = await Promise.allSettled(started);
  await Promise.allSettled(servers.map(async (result) => (result.status === 'fulfilled' ? result.value.stop() : undefined)));
  await rm(folder, { recursive: true, force: true });
  process.exit();
}

function start<Started extends { stop(): Promise<void> }>(starting: Promise<Started>): Promise<Started> {
  started.push(starting);
  return starting;
}

/** Makes the value when it is first asked for. A failure is kept too: what did not start once would not start for the next file. */
function lazily<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}
