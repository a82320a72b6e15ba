// Imported into every test process by scripts/test.ts: one that hangs is ended, and says what kept it alive.
import { after } from 'node:test';

/** For a whole file. */
const FILE_TIMEOUT_MS = 240_000;
/** From the last test of a file to the end of its process, with all that its own hooks stop: a whole product, on a busy machine. */
const ENDING_TIMEOUT_MS = 20_000;

endAfter(FILE_TIMEOUT_MS, `The file still ran after ${FILE_TIMEOUT_MS / 1000} s.`);
after(() => endAfter(ENDING_TIMEOUT_MS, 'The process did not end after its last test: something was not closed in `after`.'));

// The runner was stopped. A worker in this process would take the signal for itself and drain first.
process.once('SIGTERM', () => process.exit(143));

function endAfter(timeoutMs: number, message: string): void {
  const timer = setTimeout(() => {
    console.error(`${message} Still open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, timeoutMs);
  timer.unref();
}
