// How set-up runs commands and speaks. Plain JavaScript for any Node from 18 on.
import { spawn } from 'node:child_process';
import { ROOT } from '../src/embedded/find-binaries.mjs';

const REMINDER_MS = 10_000;

/** A reason that the user can act on; set-up prints its message without a stack and exits with 1. */
export class SetupError extends Error {}

/** One progress line; on stderr, so that a command's own output stays clean. */
export function say(line) {
  console.error(`Nightshift set-up: ${line}`);
}

/**
 * Runs a command in the repository and reminds every ten seconds that it still runs. Its output is shown when it fails.
 * `until` may end it early: it is asked every second and answers with a reason, or undefined to go on.
 */
export function runQuietly({ command, args, title, cwd = ROOT, environment = process.env, until = () => undefined }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const startedAt = Date.now();
    let output = '';
    let endedBecause;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-8000);
      });
    }
    const reminder = setInterval(() => {
      say(`${title} still runs (${Math.round((Date.now() - startedAt) / 1000)} s)`);
    }, REMINDER_MS);
    const watch = setInterval(() => {
      endedBecause ??= until();
      if (endedBecause !== undefined) child.kill('SIGKILL');
    }, 1000);
    const settle = (failure) => {
      clearInterval(reminder);
      clearInterval(watch);
      if (failure === undefined) resolve(output);
      else reject(new SetupError(failure));
    };
    child.once('error', (error) => settle(`${title}: ${error.message}`));
    child.once('close', (code) => {
      if (code === 0) settle(undefined);
      else settle(`${title} ${endedBecause ?? `ended with code ${code}`}: ${lastLines(output)}`);
    });
  });
}

/** The lines that say what went wrong: npm marks them and lets usage help follow, others end with them. */
function lastLines(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && line.trim() !== 'npm error');
  const npmErrors = lines.filter((line) => line.startsWith('npm error'));
  return (npmErrors.length > 0 ? npmErrors.slice(0, 6) : lines.slice(-6)).join('\n') || 'no output';
}
