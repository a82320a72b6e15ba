import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../config.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/pure/search-attributes.ts';
import { temporalCliPath } from './binaries.ts';
import type { ChildSpec } from './child.ts';

/** Namespace of the embedded Temporal. */
export const EMBEDDED_NAMESPACE = 'nightshift';
const RETENTION = '30d';
const RUN_TIMEOUT_MS = 30_000;
const KEEP_LONGER_AFTER_MS = 10_000;
const KEEP_LONGER_AGAIN_MS = 60_000;
const run = promisify(execFile);

/**
 * Arguments of the dev server. Durable (WAL with full fsync survives SIGKILL), and quick: by default every step of a
 * workflow waits 50 ms and every short timer about a second.
 */
export function temporalDevServerArgs(server: {
  readonly port: number;
  readonly uiPort: number;
  readonly dbFile: string;
  readonly namespaces: readonly string[];
}): readonly string[] {
  return [
    ...words(`server start-dev --ip 127.0.0.1 --port ${server.port} --ui-port ${server.uiPort} --ui-disable-news-fetch --log-level warn`),
    '--db-filename',
    server.dbFile,
    ...server.namespaces.flatMap((namespace) => ['--namespace', namespace]),
    ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ...words('--sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=2'),
    ...words('--dynamic-config-value history.transferProcessorMaxPollRPS=1000'),
    ...words('--dynamic-config-value history.timerProcessorMaxPollRPS=1000'),
    ...words('--dynamic-config-value history.timerProcessorMaxTimeShift="50ms"'),
  ];
}

/**
 * The embedded Temporal: the CLI's dev server with its database file in the data folder.
 * @throws {Error} when the CLI is not found
 */
export function createTemporal(server: {
  readonly dataDir: string;
  readonly port: number;
  readonly uiPort: number;
  readonly environment: Environment;
}): ChildSpec {
  const command = temporalCliPath(server.environment);
  const folder = join(server.dataDir, 'temporal');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const args = temporalDevServerArgs({ ...server, dbFile: join(folder, 'temporal.db'), namespaces: [EMBEDDED_NAMESPACE] });
  return {
    name: 'temporal',
    ports: [server.port, server.uiPort],
    stage: 0,
    stopSignal: 'SIGTERM',
    stopTimeoutMs: 10_000,
    forceSignal: 'SIGKILL',
    prepare: async () => ({
      type: 'program',
      command,
      args,
      environment: withoutTemporalSettings(server.environment),
      folder,
      isReady: async () => {
        if (!(await accepts(server.port))) return false;
        setTimeout(() => void keepLonger(command, server.port), KEEP_LONGER_AFTER_MS).unref();
        return true;
      },
    }),
  };
}

/** The environment without Temporal's client settings, which are meant for another server than the embedded one. */
export function withoutTemporalSettings(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

/** The dev server keeps closed workflows for a day; its namespace gets 30 days. Not while all start: the CLI takes as long as they do. */
async function keepLonger(command: string, port: number): Promise<void> {
  const update = `operator namespace update --namespace ${EMBEDDED_NAMESPACE} --retention ${RETENTION} --address 127.0.0.1:${port}`;
  await run(command, words(`${update} --disable-config-file --disable-config-env`), { timeout: RUN_TIMEOUT_MS }).catch(() => {
    // Not there at this moment; the next start of either of us asks again, and so does this process.
    setTimeout(() => void keepLonger(command, port), KEEP_LONGER_AGAIN_MS).unref();
  });
}

/** True when something listens on this local port. */
async function accepts(port: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => answer.resolve(true));
  socket.once('error', () => answer.resolve(false));
  const isAccepted = await answer.promise;
  socket.destroy();
  return isAccepted;
}

function words(text: string): readonly string[] {
  return text.split(' ');
}
