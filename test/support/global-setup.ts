// For `node --test --test-global-setup=test/support/global-setup.ts`; scripts/test.ts uses it too. Runs in the runner's own process.
import { GROUND_SOCKET, startGroundProcess, type GroundProcess } from './ground-process.ts';

let ground: GroundProcess | undefined;

/** Test processes inherit the environment, and with it the way to the one ground. No server starts before a test asks for it. */
export async function globalSetup(): Promise<void> {
  ground = await startGroundProcess();
  process.env[GROUND_SOCKET] = ground.socketPath;
}

export async function globalTeardown(): Promise<void> {
  await ground?.stop();
}
