import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, loadLaunchSettings } from '../config.ts';
import type { Environment, LaunchSettings } from '../config.ts';
import { temporalCliPath } from './binaries.ts';
import { checkVersion, emptyDataFolder, holderOf, takeDataFolder, writeAtomically } from './data-folder.ts';
import type { DataFolder } from './data-folder.ts';
import { firstScreen } from './first-screen.ts';
import { LaunchError } from './launch-error.ts';
import { endLeftovers } from './leftovers.ts';
import { HELP, parseOptions } from './options.ts';
import type { LaunchOptions } from './options.ts';
import { outsideParts } from './outside.ts';
import { choosePorts } from './ports.ts';
import { removeSharedCluster } from './postgres-home.ts';
import type { ProductModules } from './product.ts';
import { createStack, portWishes } from './stack.ts';
import type { Stack } from './stack.ts';
import { hearSignals } from './stop-requests.ts';
import type { StopRequests } from './stop-requests.ts';
import { Supervisor } from './supervisor.ts';

const EPHEMERAL_PREFIX = 'nightshift-ephemeral-';

/**
 * Runs the product and the servers it needs until a signal asks it to stop. Answers with the exit code. Does no work of
 * the product itself.
 */
export async function launch(start: {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly modules: ProductModules;
}): Promise<number> {
  const startedAt = performance.now();
  const stop = hearSignals(start.environment);
  try {
    const options = parseOptions(start.args);
    if (options.isHelp) {
      console.log(HELP);
      return 0;
    }
    const settings = loadLaunchSettings(start.environment);
    await runOnFolder({ options, settings, modules: start.modules, startedAt, stop });
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof LaunchError)) throw error;
    console.error(`\n${error.message}\n`);
    return 1;
  }
}

interface Run {
  readonly options: LaunchOptions;
  readonly settings: LaunchSettings;
  readonly modules: ProductModules;
  readonly startedAt: number;
  readonly stop: StopRequests;
}

async function runOnFolder(run: Run): Promise<void> {
  await sweepEphemeralFolders();
  const { isEphemeral } = run.options;
  const folder = await takeDataFolder(isEphemeral ? mkdtempSync(ephemeralPrefix()) : run.settings.dataDir);
  try {
    const notices = await prepareFolder(folder, run.options);
    const { ports, notices: portNotices } = await choosePorts(portWishes(run.settings, run.options.portBase));
    const stack = createStack({ settings: run.settings, dataDir: folder.path, ports, modules: run.modules });
    await superviseStack(run, folder, { ...stack, notices: [...notices, ...portNotices, ...stack.notices] });
  } finally {
    if (isEphemeral) removeEphemeral(folder.path);
    folder.release();
  }
}

/** Ends what an earlier supervisor left, throws data away when asked, and checks the rest. */
async function prepareFolder(folder: DataFolder, options: LaunchOptions): Promise<readonly string[]> {
  const ended = await endLeftovers(folder.path);
  if (options.isReset) {
    removeSharedCluster(folder.path);
    emptyDataFolder(folder.path);
  }
  checkVersion(folder.path);
  const endedText = ended.length > 0 ? `Ended what it left running: ${ended.join(', ')}.` : 'It left nothing running.';
  return [
    ...(folder.wasLeftOpen || ended.length > 0 ? [`The last run on this data was killed. ${endedText}`] : []),
    ...(options.isReset ? ['The data of earlier runs was thrown away.'] : []),
  ];
}

async function superviseStack(run: Run, folder: DataFolder, stack: Stack): Promise<void> {
  const { options, stop } = run;
  const readyFile = options.readyFile === undefined ? undefined : resolve(options.readyFile);
  const endpointsFile = join(folder.path, 'endpoints.json');
  const supervisor = new Supervisor(folder.path, stack.children, say);
  stop.onForce(() => {
    say('Ending everything at once.');
    supervisor.force();
  });
  stop.onStop(() => {
    say('Stopping (once more: at once).');
    void supervisor.stop();
  });
  try {
    const content = `${JSON.stringify(stack.endpoints, undefined, 2)}\n`;
    writeAtomically(endpointsFile, content);
    await supervisor.start();
    if (!stop.isAsked()) {
      if (readyFile !== undefined) writeAtomically(readyFile, content);
      const startedInMs = performance.now() - run.startedAt;
      const { apiKeyFile } = stack.endpoints;
      const screen = {
        dataDir: folder.path,
        endpoints: stack.endpoints,
        apiKeyFile,
        startedInMs,
        notices: stack.notices,
        temporalCli: run.settings.external.temporal ? undefined : temporalCliPath(run.settings.environment),
        outside: outsideParts(run.settings),
      };
      console.log(await firstScreen({ ...screen, isEphemeral: options.isEphemeral }));
    }
    await stop.asked;
  } finally {
    if (readyFile !== undefined) rmSync(readyFile, { force: true });
    await supervisor.stop();
    rmSync(endpointsFile, { force: true });
  }
  say('Stopped.');
}

function ephemeralPrefix(): string {
  return join(tmpdir(), `${EPHEMERAL_PREFIX}${process.getuid?.() ?? 'user'}-`);
}

/** Throw-away folders whose supervisor was killed: nobody will start on them again, so they are cleared by the next start. */
async function sweepEphemeralFolders(): Promise<void> {
  const prefix = ephemeralPrefix();
  for (const name of readdirSync(tmpdir())) {
    const path = join(tmpdir(), name);
    const isOurs = path.startsWith(prefix) && statSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.();
    // One without a lock is just being made.
    if (!isOurs || !existsSync(join(path, 'supervisor.lock')) || holderOf(path) !== undefined) continue;
    const folder = await takeDataFolder(path).catch(() => undefined);
    if (folder === undefined) continue;
    if (folder.wasLeftOpen) {
      await endLeftovers(path);
      removeEphemeral(path);
    }
    folder.release();
  }
}

function removeEphemeral(path: string): void {
  removeSharedCluster(path);
  rmSync(path, { recursive: true, force: true });
}

function say(line: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
