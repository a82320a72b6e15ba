import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { GROUND_SOCKET, startGroundProcess } from './ground-process.ts';
import type { GroundReply, GroundRequest, GroundValues } from './ground-server.ts';

export interface GroundDatabase {
  /** As the application's login, which owns nothing. */
  readonly databaseUrl: string;
  /** As the owner, who runs migrations. */
  readonly ownerUrl: string;
}

export interface Ground extends GroundDatabase {
  readonly temporalAddress: string;
  /** Nobody else's, with our search attributes. */
  readonly namespace: string;
  /** File with the product's workflows and those of test/support/workflows. */
  readonly bundlePath: string;
  /** Address of a time-skipping server for this file alone, so that its clock is nobody else's. Most tests take `useSkippedTime`. */
  testServerAddress(): Promise<string>;
  /** Gives back everything this process took. Not needed at the end of a file: it happens when its process ends. */
  dispose(): Promise<void>;
}

interface GroundClient {
  ask<Want extends keyof GroundValues>(want: Want): Promise<GroundValues[Want]>;
  close(): Promise<void>;
}

let client: Promise<GroundClient> | undefined;
let testServer: Promise<GroundValues['testServer']> | undefined;

/** What a test file with workflows needs. The first file that asks waits until the servers run, about 3 s. */
export async function useGround(): Promise<Ground> {
  const { ask, close } = await connected();
  const [database, temporal, bundle] = await Promise.all([ask('database'), ask('temporal'), ask('bundle')]);
  return { ...database, ...temporal, ...bundle, testServerAddress: useTestServer, dispose: close };
}

/** What a test file with SQL and no workflow needs: a migrated database of its own. */
export async function useDatabase(): Promise<GroundDatabase> {
  return await (await connected()).ask('database');
}

/** Path of the workflow bundle that all test files share; starts no server. */
export async function useBundle(): Promise<string> {
  const { ask } = await connected();
  return (await ask('bundle')).bundlePath;
}

/** Address of this file's time-skipping server, one a process. */
export async function useTestServer(): Promise<string> {
  const { ask } = await connected();
  testServer ??= ask('testServer');
  return (await testServer).testServerAddress;
}

/** A file that is run alone, without the runner's set-up, has a ground of its own. */
function connected(): Promise<GroundClient> {
  client ??= (async () => createGroundClient(process.env[GROUND_SOCKET] ?? (await startGroundProcess()).socketPath))();
  return client;
}

async function createGroundClient(socketPath: string): Promise<GroundClient> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  // A connection keeps this process alive only while an answer is due.
  socket.unref();
  createInterface(socket).on('line', (line) => {
    const reply = JSON.parse(line) as GroundReply; // written by ./ground-server.ts
    const waiter = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (waiting.size === 0) socket.unref();
    if ('error' in reply) waiter?.reject(new Error(`The ground of the tests could not give what was asked for. ${reply.error}`));
    else waiter?.resolve(reply.value);
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    for (const waiter of waiting.values()) waiter.reject(new Error('The ground of the tests went away.'));
  });
  return {
    ask<Want extends keyof GroundValues>(want: Want) {
      const request: GroundRequest = { id: ++lastId, want };
      const waiter = Promise.withResolvers<unknown>();
      waiting.set(request.id, waiter);
      socket.ref();
      socket.write(`${JSON.stringify(request)}\n`);
      return waiter.promise as Promise<GroundValues[Want]>; // what ./ground-server.ts answers to `want`
    },
    async close() {
      client = undefined;
      testServer = undefined;
      if (socket.destroyed) return;
      const closed = once(socket, 'close');
      socket.end();
      await closed;
    },
  };
}
