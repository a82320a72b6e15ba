import { join } from 'node:path';
import { readProcesses } from './data-folder.ts';
import { commandOf, isRunning, processesWithEnvironment, signal, waitUntilGone } from './processes.ts';
import type { ProcessIdentity } from './processes.ts';
import { CHILD_MARK } from './supervisor.ts';

const STOP_TIMEOUT_MS = 15_000;
const KILL_TIMEOUT_MS = 5000;

interface Leftover extends ProcessIdentity {
  readonly name: string;
}

/**
 * Ends what a killed supervisor left running on this data folder, as gently as its own stop would have. Must only be
 * called by the holder of the folder's lock. Answers with one phrase per process that was ended.
 */
export async function endLeftovers(dataDir: string): Promise<readonly string[]> {
  const leftovers = findLeftovers(dataDir);
  const isDatabase = ({ name }: Leftover) => name === 'postgres';
  // The database goes last: the others write to it while they end.
  await end(
    leftovers.filter((leftover) => !isDatabase(leftover)),
    'SIGTERM',
  );
  await end(leftovers.filter(isDatabase), 'SIGINT');
  return leftovers.map(({ name, pid }) => `${name} (process ${pid})`);
}

function findLeftovers(dataDir: string): readonly Leftover[] {
  const recorded: readonly Leftover[] = readProcesses(dataDir).filter(isRunning);
  const known = new Set(recorded.map(({ pid }) => pid));
  const marked = processesWithEnvironment(`${CHILD_MARK}=${dataDir}`).filter(({ pid }) => !known.has(pid));
  return [...recorded, ...marked.map(named)];
}

function named(identity: ProcessIdentity): Leftover {
  const command = commandOf(identity.pid);
  const isPostgres = command.startsWith('postgres') || command.includes(join('bin', 'postgres'));
  return { pid: identity.pid, startTime: identity.startTime, name: isPostgres ? 'postgres' : command.slice(0, 60) };
}

async function end(processes: readonly Leftover[], name: NodeJS.Signals): Promise<void> {
  const running = processes.filter(isRunning);
  for (const { pid } of running) {
    signal(pid, name);
    // One that was stopped (SIGSTOP) could not hear it.
    signal(pid, 'SIGCONT');
  }
  if (await waitUntilGone(running, STOP_TIMEOUT_MS)) return;
  for (const { pid } of running.filter(isRunning)) signal(pid, 'SIGKILL');
  await waitUntilGone(running, KILL_TIMEOUT_MS);
}
