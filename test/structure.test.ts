// What a reader relies on: one name in every layer, a small bundle, a repository that is the same on every machine.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FEATURES } from '../src/contracts/features.ts';
import { INNER_WORKFLOWS } from '../src/contracts/inner-workflows.ts';
import { KINDS } from '../src/contracts/kinds.ts';
import * as workflows from '../src/workflows/index.ts';
import { bundleWorkflows, PRODUCT_WORKFLOWS } from './support/bundle.ts';

const ROOT = join(import.meta.dirname, '..');

/** Every place where a feature that has landed has its name. */
const LAYERS = ['src/contracts', 'src/store', 'src/workflows', 'src/activities', 'src/api', 'test', 'docs', 'samples', 'chaos'];

/** Packages that may be in the workflow bundle: Temporal's own, and what they need. */
const BUNDLED_PACKAGES = new Set(['@temporalio/common', '@temporalio/workflow', '@temporalio/worker', 'nexus-rpc', 'long', 'ms']);
const MAX_BUNDLE_BYTES = 900 * 1024;

interface PackageLock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly resolved?: string }>>;
}

interface PackageJson {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

describe('features', () => {
  for (const feature of FEATURES) {
    it(`have their name in every layer: ${feature}`, () => {
      const missing = LAYERS.filter((layer) => !fileNames(feature).some((name) => existsSync(join(ROOT, layer, name))));
      assert.deepEqual(missing, []);
    });

    it(`have a test that runs the commands of their how-to: ${feature}`, () => {
      assert.match(readText(`test/docs-${feature}.test.ts`), new RegExp(`docs/${feature}\\.md`));
    });
  }

  it('export the workflows that the kinds name, and the inner ones', () => {
    const named = Object.values(KINDS).map(({ workflow }) => workflow);
    assert.deepEqual(Object.keys(workflows).toSorted(), [...named, ...Object.keys(INNER_WORKFLOWS)].toSorted());
  });
});

describe('the workflow bundle', async () => {
  const { code } = await bundleWorkflows(PRODUCT_WORKFLOWS);
  const [script = '', encodedMap = ''] = code.split(/\/\/# sourceMappingURL=data:application\/json;[^,]*base64,/);

  it('holds no package but Temporal', () => {
    const { sources } = JSON.parse(Buffer.from(encodedMap, 'base64').toString()) as { sources: string[] }; // a source map, by its standard
    assert.ok(sources.some((source) => source.includes('src/workflows/')));
    const packages = sources
      .map((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1])
      .filter((name) => name !== undefined);
    assert.deepEqual(
      [...new Set(packages)].filter((name) => !BUNDLED_PACKAGES.has(name)),
      [],
    );
  });

  it('keeps nothing from one workflow to the next: its modules are evaluated once for all of them', () => {
    const modules = trackedFiles().filter((file) => /^src\/(workflows|contracts\/pure)\/.*\.ts$/.test(file));
    const state = /^(export )?(let|var) |^(export )?const \w+(: [^=]+)? = (new (Map|Set|WeakMap|WeakSet|Array)\b|\[\];|\{\};)/m;
    assert.ok(modules.length > 5);
    assert.deepEqual(
      modules.filter((file) => state.test(readText(file))),
      [],
    );
    assert.match('let seen = 0;', state);
    assert.match('const seen = new Map<string, number>();', state);
  });

  it(`stays under ${MAX_BUNDLE_BYTES / 1024} KiB`, () => {
    assert.ok(script.length < MAX_BUNDLE_BYTES, `${Math.ceil(script.length / 1024)} KiB`);
  });
});

describe('the repository', () => {
  const files = trackedFiles();

  it('names no folder of anybody’s machine', () => {
    const folder = new RegExp(`(^|[\\s'"\`(=:])/(${['work', 'root', 'home', 'Users'].join('|')})/`, 'm');
    const texts = files.filter((file) => /\.(ts|mts|mjs|cjs|js|json|sql|sh|yml|yaml|html|css)$|^\.ci\/|^\.env/.test(file));
    assert.deepEqual(
      texts.filter((file) => folder.test(readText(file))),
      [],
    );
  });

  it('locks packages of the public registry only', () => {
    const hosts = Object.values(packageLock().packages).flatMap(({ resolved }) => (resolved === undefined ? [] : [new URL(resolved).host]));
    assert.deepEqual(
      [...new Set(hosts)].filter((host) => host !== 'registry.npmjs.org'),
      [],
    );
  });

  it('has one version of everything of Temporal', () => {
    const copies = Object.entries(packageLock().packages).filter(([path]) => /node_modules\/@temporalio\/[^/]+$/.test(path));
    assert.ok(copies.length > 0);
    assert.equal(new Set(copies.map(([, { version }]) => version)).size, 1, JSON.stringify(copies.map(([path]) => path)));
    assert.deepEqual(
      copies.filter(([path]) => !path.startsWith('node_modules/@temporalio/')),
      [],
    );
  });

  it('names exact versions of what it depends on', () => {
    const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as PackageJson; // npm's format
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    assert.deepEqual(loose, []);
  });

  it('orders migrations by a time stamp', () => {
    const migrations = files.filter((file) => file.startsWith('migrations/'));
    assert.ok(migrations.length > 0);
    assert.deepEqual(
      migrations.filter((file) => !/^migrations\/\d{8}T\d{4}_[a-z0-9_]+\.sql$/.test(file)),
      [],
    );
  });
});

function fileNames(feature: string): string[] {
  return [`${feature}.ts`, feature, `${feature}.test.ts`, `${feature}.md`, `${feature}.json`];
}

/** What is committed or about to be. */
function trackedFiles(): string[] {
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT, encoding: 'utf8' });
  return output.split('\0').filter((file) => file !== '' && existsSync(join(ROOT, file)));
}

function readText(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function packageLock(): PackageLock {
  return JSON.parse(readText('package-lock.json')) as PackageLock; // npm's format
}
