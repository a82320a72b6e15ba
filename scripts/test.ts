// Runs the tests: `node scripts/test.ts [part of a file name …]`. One ground of servers for all files, the longest files first, two at a time.
import { globSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import type { EventData, RunOptions } from 'node:test';
import { spec } from 'node:test/reporters';

const ROOT = join(import.meta.dirname, '..');
/** How long each file took, to start the longest first. Nothing depends on it. */
const DURATIONS_FILE = join(ROOT, '.cache/test-durations.json');
const CONCURRENCY = 2;

type Durations = Record<string, number>;

const durations = readDurations();
const files = selectFiles(process.argv.slice(2));
const problems: string[] = [];
const stopping = new AbortController();

if (files.length === 0) {
  console.error(`No test file has ${process.argv.slice(2).join(' or ')} in its path.`);
  process.exit(1);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

// `globalSetupPath` is missing in the types of Node 24.
const options: RunOptions & { readonly globalSetupPath: string } = {
  files: files.map((file) => join(ROOT, file)),
  concurrency: CONCURRENCY,
  execArgv: ['--import', join(ROOT, 'test/support/watchdog.ts')],
  globalSetupPath: join(ROOT, 'test/support/global-setup.ts'),
  signal: stopping.signal,
};
const events = run(options);
events.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
events.on('test:pass', checkSkipped);
events.on('test:summary', ({ file, duration_ms: durationMs, success }) => {
  if (!success) process.exitCode = 1;
  if (file !== undefined) durations[file.slice(ROOT.length + 1)] = Math.round(durationMs);
});
events.on('end', () => {
  writeDurations();
  if (problems.length === 0) return;
  process.exitCode = 1;
  console.error(`\n${problems.join('\n')}`);
});
events.compose(spec).pipe(process.stdout);

/** A skipped test says why; where everything that tests need is there, nothing is skipped at all. */
function checkSkipped({ name, file, skip, todo }: EventData.TestPass): void {
  if ((skip === undefined || skip === false) && (todo === undefined || todo === false)) return;
  const place = `${name} (${file?.slice(ROOT.length + 1) ?? 'unknown file'})`;
  if (process.env['CI'] === 'true') problems.push(`Not run, though CI has all that tests need: ${place}`);
  else if (typeof skip !== 'string' && typeof todo !== 'string') problems.push(`Skipped without a reason: ${place}`);
}

/** All test files that contain one of the parts, longest first; a file that never ran counts as long. */
function selectFiles(parts: readonly string[]): string[] {
  const all = globSync('test/**/*.test.ts', { cwd: ROOT, exclude: ['test/structure/breaches/**'] });
  const selected = all.filter((file) => parts.length === 0 || parts.some((part) => file.includes(part.replace(/^\.\//, ''))));
  return selected.toSorted((a, b) => (durations[b] ?? Infinity) - (durations[a] ?? Infinity));
}

function readDurations(): Durations {
  try {
    return JSON.parse(readFileSync(DURATIONS_FILE, 'utf8')) as Durations; // written below
  } catch {
    return {};
  }
}

function writeDurations(): void {
  mkdirSync(dirname(DURATIONS_FILE), { recursive: true });
  writeFileSync(DURATIONS_FILE, JSON.stringify(durations, undefined, 2));
}
