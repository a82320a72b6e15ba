import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Environment variable with the socket of the ground that a whole test run shares. */
export const GROUND_SOCKET = 'NIGHTSHIFT_TEST_GROUND';

const STOP_TIMEOUT_MS = 15_000;

export interface GroundProcess {
  readonly socketPath: string;
  /** Ends the servers and removes their files. */
  stop(): Promise<void>;
}

/**
 * Starts the process that owns all servers of the tests. It ends, with all of them, when `stop` is called and also when this process
 * dies, however it dies: its standard input closes then. It does not keep this process alive.
 */
export async function startGroundProcess(): Promise<GroundProcess> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'nightshift-test-'));
  const child = spawn(process.execPath, [join(import.meta.dirname, 'ground-server.ts'), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C reaches the runner only, which lets this process finish its work in order
  });
  const exited = once(child, 'exit');
  try {
    await Promise.race([once(child.stdout, 'data'), exited.then(() => Promise.reject(new Error('The ground of the tests ended early.')))]);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  child.stdout.resume();
  // Sockets, though typed as streams: a pipe to a child is one.
  for (const handle of [child, child.stdin, child.stdout] as readonly { unref?: () => void }[]) handle.unref?.();
  return {
    socketPath: join(folder, 'ground.sock'),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      child.ref();
      child.stdin.end();
      await exited;
      clearTimeout(timer);
    },
  };
}
