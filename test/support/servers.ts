import { spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/pure/search-attributes.ts';
import { temporalCliPath, testServerPath } from '../../src/embedded/binaries.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const START_TIMEOUT_MS = 30_000;
/** INDEXED_VALUE_TYPE_KEYWORD of Temporal's API. */
const KEYWORD = 2;
/** Namespaces made ahead: the server takes half a second to notice a new one. More of them would cost it CPU time even when idle. */
const SPARE_NAMESPACES = 4;

/** As for the embedded server: without them a timer of 100 ms takes a second. */
const DYNAMIC_SETTINGS = [
  'history.transferProcessorMaxPollRPS=1000',
  'history.timerProcessorMaxPollRPS=1000',
  'history.timerProcessorMaxTimeShift="50ms"',
];

/** After so many events the server says that another run should go on, where a test sets it: the default is thousands. */
export const EVENTS_PER_RUN = 'TEST_EVENTS_PER_RUN';

export interface RunningServer {
  stop(): Promise<void>;
}

export interface TemporalServer extends RunningServer {
  readonly address: string;
  /** Name of a namespace that nobody else has, with our search attributes. */
  takeNamespace(): Promise<string>;
}

export interface ServerProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  readonly stopSignal?: NodeJS.Signals;
  /** Asked again and again until it is true. */
  isReady(pid: number): Promise<boolean>;
}

/** Temporal's dev server, in memory. */
export async function startTemporal(): Promise<TemporalServer> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const eventsPerRun = process.env[EVENTS_PER_RUN];
  const settings = [
    ...DYNAMIC_SETTINGS,
    ...(eventsPerRun === undefined ? [] : [`limit.historyCount.suggestContinueAsNew=${eventsPerRun}`]),
  ];
  const server = await startServer({
    command: temporalCliPath(process.env),
    args: [
      ...`server start-dev --headless --ip 127.0.0.1 --port ${port} --log-level error`.split(' '),
      ...settings.flatMap((setting) => ['--dynamic-config-value', setting]),
    ],
    isReady: () => accepts(port),
  });
  const connection = Connection.lazy({ address });
  let count = 0;
  const spares: Promise<string>[] = [];
  const addSpare = (): void => {
    const spare = eventually(() => makeNamespace(connection, `t${String(++count).padStart(2, '0')}`), { timeoutMs: START_TIMEOUT_MS });
    spare.catch(() => undefined); // told to whoever takes it
    spares.push(spare);
  };
  for (let spare = 0; spare < SPARE_NAMESPACES; spare++) addSpare();
  return {
    address,
    takeNamespace() {
      addSpare();
      return spares.shift() ?? Promise.reject(new Error('A spare namespace was just added.'));
    },
    async stop() {
      await server.stop();
      await connection.close();
    },
  };
}

/** Registers the attributes that every execution of ours carries. */
export async function addSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const searchAttributes = Object.fromEntries(Object.values(SEARCH_ATTRIBUTES).map((name) => [name, KEYWORD]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}

async function makeNamespace(connection: Connection, namespace: string): Promise<string> {
  await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('1 day') });
  await eventually(() => addSearchAttributes(connection, namespace).then(() => true));
  return namespace;
}

/** A time-skipping server with a clock of its own. */
export async function startTestServer(): Promise<RunningServer & { readonly address: string }> {
  const port = await freePort();
  const server = await startServer({ command: testServerPath(process.env), args: [String(port)], isReady: () => accepts(port) });
  return { ...server, address: `127.0.0.1:${port}` };
}

/** Starts a program and waits until it is ready. Nothing of a test server is kept, so by default it is stopped by force. */
export async function startServer({ command, args, options, stopSignal = 'SIGKILL', isReady }: ServerProgram): Promise<RunningServer> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => (complaints = `${complaints}${chunk.toString()}`.slice(-4000)));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill(stopSignal);
    await exited;
  };
  try {
    await Promise.race([
      eventually(() => isReady(pid), { timeoutMs: START_TIMEOUT_MS }),
      exited.then(() => Promise.reject(new Error('It ended.'))),
    ]);
  } catch (error) {
    await stop();
    throw new Error(`${command} did not start. ${complaints}`, { cause: error });
  }
  return { stop };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
