// The guards are guarded: each rule about imports and syntax is broken on purpose in ./breaches, and must say so.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const BREACHES = join(import.meta.dirname, 'breaches');

/** File of the planted tree → the dependency-cruiser rules that must name it. */
const IMPORT_BREACHES: Readonly<Record<string, readonly string[]>> = {
  'src/contracts/breach-cycle-a.ts': ['no-cycles'],
  'src/breach-orphan.ts': ['no-orphans'],
  'src/adapters/breach-unresolvable.ts': ['resolvable'],
  'src/adapters/breach-development-package.ts': ['no-development-packages'],
  'src/adapters/breach-test.ts': ['product-imports-no-test'],
  'src/contracts/breach-node.ts': ['contracts-are-pure'],
  'src/contracts/breach-store.ts': ['contracts-are-pure'],
  'src/contracts/breach-package.ts': ['contracts-are-pure'],
  'src/contracts/breach-temporal.ts': ['contracts-are-pure', 'temporal-sdk-by-layer'],
  'src/contracts/pure/breach-zod.ts': ['pure-imports-nothing'],
  'src/contracts/pure/breach-contract.ts': ['pure-imports-nothing'],
  'src/store/breach-api.ts': ['store-is-only-sql'],
  'src/store/breach-adapter-value.ts': ['store-sees-ports-as-types'],
  'src/store/breach-package.ts': ['store-packages'],
  'src/store/breach-temporal.ts': ['store-packages', 'temporal-sdk-by-layer'],
  'src/adapters/breach-sql.ts': ['sql-only-in-store'],
  'src/api/breach-sql.ts': ['sql-only-in-store'],
  'src/adapters/breach-calls-out.ts': ['egress-alone-calls-out'],
  'src/adapters/breach-store.ts': ['adapters-know-no-feature'],
  'src/adapters/breach-temporal.ts': ['adapters-know-no-temporal'],
  'src/control/breach-activities.ts': ['control-moves-rows'],
  'src/control/breach-adapters.ts': ['control-moves-rows'],
  'src/control/breach-store-value.ts': ['control-sees-store-as-types'],
  'src/control/breach-worker.ts': ['control-is-a-client'],
  'src/activities/breach-workflow.ts': ['activities-do-not-orchestrate', 'workflows-by-path'],
  'src/activities/breach-control.ts': ['activities-do-not-orchestrate'],
  'src/activities/breach-adapter-value.ts': ['activities-see-deps-as-types'],
  'src/activities/breach-mixed.ts': ['activities-see-deps-as-types'],
  'src/activities/breach-client.ts': ['activities-know-activity-sdk'],
  'src/activities/breach-feature.ts': ['features-do-not-meet'],
  'src/activities/lib/breach-feature.ts': ['features-do-not-meet'],
  'src/activities/reports/breach-feature.ts': ['features-do-not-meet'],
  'src/workflows/breach-activities-value.ts': ['workflows-value-allowlist'],
  'src/workflows/breach-contracts-value.ts': ['workflows-value-allowlist'],
  'src/workflows/breach-node.ts': ['workflows-value-allowlist', 'workflow-types-from'],
  'src/workflows/breach-package.ts': ['workflows-value-allowlist', 'workflow-types-from'],
  'src/workflows/breach-temporal-activity.ts': ['workflows-value-allowlist', 'workflow-types-from'],
  'src/workflows/breach-store-type.ts': ['workflow-types-from'],
  'src/workflows/breach-adapter-type.ts': ['workflow-types-from'],
  'src/breach-workflow-value.ts': ['workflows-by-path'],
  'src/api/breach-activities.ts': ['api-does-no-work'],
  'src/api/breach-control.ts': ['api-does-no-work'],
  'src/api/breach-store-value.ts': ['api-sees-deps-as-types'],
  'src/api/breach-temporal.ts': ['api-knows-no-temporal'],
  'src/api/breach-feature.ts': ['features-do-not-meet'],
  'src/api/breach-config-value.ts': ['api-does-no-work', 'layers-import-no-root'],
  'src/api/breach-embedded.ts': ['api-does-no-work', 'embedded-only-at-the-top'],
  'src/breach-embedded.ts': ['embedded-only-at-the-top'],
};

/** File of the planted tree → the oxlint findings that must name it; a word after it must be in the message. */
const SYNTAX_BREACHES: Readonly<Record<string, readonly string[]>> = {
  'src/api/breach-any.ts': ['typescript(no-explicit-any)'],
  'src/api/breach-console.ts': ['eslint(no-console)'],
  'src/api/breach-default-export.ts': ['import(no-default-export)'],
  'src/api/breach-env.ts': ['node(no-process-env)'],
  'src/api/breach-exit.ts': ['unicorn(no-process-exit)'],
  'src/api/breach-expression.ts': ['eslint(func-style)'],
  'src/api/breach-node-protocol.ts': ['unicorn(prefer-node-protocol)'],
  'src/api/breach-fetch.ts': ['eslint(no-restricted-globals) fetch'],
  'src/api/breach-non-null.ts': ['typescript(no-non-null-assertion)'],
  'src/api/breach-parameters.ts': ['eslint(max-params)'],
  'src/api/breach-reassign.ts': ['eslint(no-param-reassign)'],
  'src/api/breach-type-import.ts': ['typescript(consistent-type-imports)'],
  'src/api/breachName.ts': ['unicorn(filename-case)'],
  'src/contracts/breach-cycle-a.ts': ['import(no-cycle)'],
  'src/contracts/breach-cycle-b.ts': ['import(no-cycle)'],
  'src/workflows/breach-activities-value.ts': ['eslint(no-restricted-imports)'],
  'src/workflows/breach-contracts-value.ts': ['eslint(no-restricted-imports)'],
  'src/workflows/breach-node.ts': ['eslint(no-restricted-imports)'],
  'src/workflows/breach-sandbox.ts': [
    ...['process', 'Buffer', 'Intl', 'setTimeout', 'fetch', 'crypto'].map((name) => `eslint(no-restricted-globals) ${name}`),
    ...['Math.random', 'localeCompare', 'toLocaleString', 'getHours'].map((name) => `eslint(no-restricted-properties) ${name}`),
  ],
};

interface ImportViolation {
  readonly rule: { readonly name: string };
  readonly from: string;
}

interface ImportReport {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly violations: readonly ImportViolation[];
    readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] };
  };
}

interface SyntaxReport {
  readonly diagnostics: readonly { readonly filename: string; readonly code: string; readonly message: string }[];
}

describe('rules about imports', () => {
  let report: ImportReport;

  before(async () => {
    const output = await outputOf('depcruise', ['src', '--config', join(ROOT, '.dependency-cruiser.cjs'), '-T', 'json'], BREACHES);
    report = JSON.parse(output) as ImportReport; // dependency-cruiser's own format
  });

  for (const [file, rules] of Object.entries(IMPORT_BREACHES)) {
    it(`catch ${file}`, () => {
      const fired = report.summary.violations.filter(({ from }) => from === file).map(({ rule }) => rule.name);
      assert.deepEqual(fired.toSorted(), rules.toSorted());
    });
  }

  it('pass the files that keep them', () => {
    const blamed = report.summary.violations.map(({ from }) => from).filter((file) => !file.includes('/breach'));
    assert.deepEqual(blamed, []);
    assert.ok(report.modules.filter(({ source }) => source.startsWith('src/') && !source.includes('/breach')).length >= 20);
  });

  it('are each broken by a planted file', () => {
    const planted = new Set(Object.values(IMPORT_BREACHES).flat());
    assert.deepEqual(
      report.summary.ruleSetUsed.forbidden.map(({ name }) => name).filter((name) => !planted.has(name)),
      [],
    );
  });
});

describe('rules about syntax', () => {
  let report: SyntaxReport;

  before(async () => {
    // A copy beside the settings, which leave the planted files out of the normal run.
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-breaches-'));
    try {
      await cp(BREACHES, folder, { recursive: true });
      await cp(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
      report = JSON.parse(await outputOf('oxlint', ['--format', 'json'], folder)) as SyntaxReport; // oxlint's own format
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  for (const [file, expected] of Object.entries(SYNTAX_BREACHES)) {
    it(`catch ${file}`, () => {
      const fired = report.diagnostics.filter(({ filename }) => filename === file);
      assert.equal(fired.length, expected.length, JSON.stringify(fired, undefined, 2));
      for (const finding of expected) {
        const [code, name = ''] = finding.split(' ');
        assert.ok(
          fired.some((diagnostic) => diagnostic.code === code && diagnostic.message.includes(name)),
          `${finding} did not fire`,
        );
      }
    });
  }

  it('pass the files that keep them', () => {
    assert.deepEqual(
      report.diagnostics.filter(({ filename }) => !filename.includes('/breach')),
      [],
    );
  });
});

/** What a tool prints, whatever its exit status: both end with an error when they find something. */
function outputOf(tool: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(join(ROOT, 'node_modules/.bin', tool), args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(`${tool} printed nothing: ${stderr}`, { cause: error }));
      else resolve(stdout);
    });
  });
}
