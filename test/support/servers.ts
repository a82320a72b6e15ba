import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/pure/search-attributes.ts';
import { temporalCliPath, testServerPath } from '../../src/embedded/binaries.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const START_TIMEOUT_MS = 30_000;

/** As for the embedded server: without them a timer of 100 ms takes a second. */
const DYNAMIC_SETTINGS = [
  'history.transferProcessorMaxPollRPS=1000',
  'history.timerProcessorMaxPollRPS=1000',
  'history.timerProcessorMaxTimeShift="50ms"',
];

const run = promisify(execFile);

interface ServerProcess {
  readonly child: ChildProcess;
  complaints: string;
}

export interface RunningServer {
  readonly address: string;
  stop(): Promise<void>;
}

/** Temporal's dev server in memory, with the settings of the embedded one, and `namespaces` that carry our search attributes. */
export async function startTemporal(namespaces: readonly string[]): Promise<RunningServer> {
  const path = temporalCliPath(process.env);
  const port = await freePort();
  const child = spawnServer(path, [
    ...`server start-dev --headless --ip 127.0.0.1 --port ${port} --log-level error`.split(' '),
    ...namespaces.flatMap((namespace) => ['--namespace', namespace]),
    ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ...DYNAMIC_SETTINGS.flatMap((setting) => ['--dynamic-config-value', setting]),
  ]);
  return await whenReady(child, port, async () => {
    await run(path, ['operator', 'namespace', 'describe', '--address', `127.0.0.1:${port}`, '--namespace', namespaces.at(-1) ?? 'default']);
  });
}

/** A time-skipping server with a clock of its own. */
export async function startTestServer(): Promise<RunningServer> {
  const port = await freePort();
  const child = spawnServer(testServerPath(process.env), [String(port)]);
  return await whenReady(child, port, () => canConnect(port));
}

function spawnServer(path: string, args: readonly string[]): ServerProcess {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const server = { child, complaints: '' };
  child.on('error', (error) => (server.complaints = error.message));
  child.stderr.on('data', (chunk: Buffer) => (server.complaints = `${server.complaints}${chunk.toString()}`.slice(-4000)));
  return server;
}

async function whenReady(server: ServerProcess, port: number, check: () => Promise<void>): Promise<RunningServer> {
  const stop = (): Promise<void> => stopChild(server.child);
  const ready = eventually(() => check().then(() => true), { timeoutMs: START_TIMEOUT_MS });
  const ended = once(server.child, 'exit').then(() => Promise.reject(new Error('It ended.')));
  try {
    await Promise.race([ready, ended]);
  } catch (error) {
    await stop();
    throw new Error(`${server.child.spawnfile} did not start: ${server.complaints}`, { cause: error });
  }
  return { address: `127.0.0.1:${port}`, stop };
}

/** Nothing of a test server is kept, so it need not end in order. */
async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function canConnect(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
