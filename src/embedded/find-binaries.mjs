// Where the two Temporal binaries are looked for. Shared by set-up (which downloads what is missing) and by the
// supervisor (which never does). Plain JavaScript, because set-up must run on any Node from 18 on.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CACHE_DIR = join(ROOT, '.cache');
/** Where Node keeps compiled code of ours. */
export const CODE_CACHE_DIR = join(CACHE_DIR, 'code');
export const VERSIONS = JSON.parse(readFileSync(new URL('./versions.json', import.meta.url), 'utf8'));

/** Where set-up puts the Temporal CLI. */
export function cachedTemporalCli(cacheDir = CACHE_DIR) {
  return join(cacheDir, `temporal-${VERSIONS.temporal.version}`, 'temporal');
}

/** Where set-up puts the time-skipping test server. */
export function cachedTestServer(cacheDir = CACHE_DIR) {
  return join(cacheDir, `temporal-test-server-${VERSIONS.testServer.version}`, 'temporal-test-server');
}

export function findTemporalCli(environment, cacheDir = CACHE_DIR) {
  const given = fromSetting(environment, 'TEMPORAL_CLI_PATH');
  if (given !== undefined) return given;
  const tried = [];
  for (const folder of (environment.PATH ?? '').split(delimiter).filter(Boolean)) {
    const candidate = join(folder, 'temporal');
    if (!isExecutable(candidate)) continue;
    const version = temporalVersion(candidate);
    if (version !== undefined && isAtLeast(version, VERSIONS.temporal.minimum)) return { path: candidate, tried };
    tried.push(`${candidate} is ${version ?? 'not the Temporal CLI'}: ${VERSIONS.temporal.minimum} or newer is needed`);
  }
  if (tried.length === 0) tried.push('no temporal on PATH');
  return fromCache(cachedTemporalCli(cacheDir), tried);
}

export function findTestServer(environment, cacheDir = CACHE_DIR) {
  return fromSetting(environment, 'TEMPORAL_TEST_SERVER_PATH') ?? fromCache(cachedTestServer(cacheDir), []);
}

/** The version that a Temporal CLI reports, or undefined when it is not one. */
export function temporalVersion(path) {
  const run = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  return /temporal version v?(\d+\.\d+\.\d+)/.exec(run.stdout ?? '')?.[1];
}

export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** A path given by a setting is the user's order: when it is wrong, nothing else is tried. */
function fromSetting(environment, name) {
  const path = environment[name];
  if (!path) return undefined;
  if (isExecutable(path)) return { path, tried: [] };
  return { path: undefined, tried: [`${name}=${path} is not an executable file: correct or unset it`] };
}

function fromCache(path, tried) {
  if (isExecutable(path)) return { path, tried };
  return { path: undefined, tried: [...tried, `${path} does not exist`] };
}

function isAtLeast(version, minimum) {
  const [have, want] = [version, minimum].map((text) => text.split('.').map(Number));
  for (const index of [0, 1, 2]) {
    if (have[index] !== want[index]) return have[index] > want[index];
  }
  return true;
}
