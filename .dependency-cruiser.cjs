// Who may import whom. Every rule has a planted breach in test/structure/breaches, and test/structure/breaches.test.ts proves that it fires.
const { join } = require('node:path');

const packages = (names) => `(^|/)node_modules/(@types/)?(${names})/`;
const TEMPORAL = packages('@temporalio/[^/]+');
const TEMPORAL_WORKFLOW = packages('@temporalio/(workflow|common)');
const LAYERS = '^src/(contracts|store|control|adapters|activities|workflows|api)/';

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const valuesOf = (path, rest = {}) => ({ path, dependencyTypesNot: ['type-only'], ...rest });

module.exports = {
  forbidden: [
    forbid(
      'no-cycles',
      'Split by idea: what both sides need is a third file. A way back that is types only is none.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    // The data map is for people and for the test that compares it with the database; scripts of pages are for browsers.
    forbid(
      'no-orphans',
      'Nothing imports this file, and it imports nothing: delete it.',
      { orphan: true, pathNot: ['\\.d\\.m?ts$', '^src/contracts/data-map\\.ts$', '^src/api/checkout/shop/'] },
      {},
    ),
    forbid('resolvable', 'The file or package is not there.', {}, { couldNotResolve: true }),
    forbid(
      'no-development-packages',
      'A package that the product runs with is a dependency.',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    ),
    forbid(
      'product-imports-no-test',
      'Tests depend on the product, not the other way round.',
      { path: '^src/' },
      { path: '^(test|chaos|bench|scripts)/' },
    ),

    forbid(
      'contracts-are-pure',
      'Contracts say what layers say to each other: zod, other contracts, and hashes for the names of effects.',
      { path: '^src/contracts/' },
      { pathNot: ['^src/contracts/', packages('zod'), '^crypto$'] },
    ),
    forbid(
      'pure-imports-nothing',
      'Workflows import these values, so that they bring nothing into the bundle.',
      { path: '^src/contracts/pure/' },
      { pathNot: '^src/contracts/pure/' },
    ),

    forbid(
      'store-is-only-sql',
      'The store knows contracts, and the ports whose PostgreSQL drivers it holds, as types.',
      { path: '^src/store/' },
      { path: '^src/', pathNot: ['^src/(store|contracts|adapters)/'] },
    ),
    forbid('store-sees-ports-as-types', 'The composition root hands drivers over.', { path: '^src/store/' }, valuesOf('^src/adapters/')),
    forbid(
      'store-packages',
      'pg, kysely, uuidv7 and what Node brings.',
      { path: '^src/store/' },
      { path: '(^|/)node_modules/', pathNot: packages('pg|kysely|uuidv7') },
    ),
    forbid(
      'sql-only-in-store',
      'SQL lives in store/ and migrations/.',
      { path: '^src/', pathNot: '^src/store/' },
      { path: packages('pg|kysely') },
    ),

    forbid(
      'adapters-know-no-feature',
      'A driver knows its port and its outside party.',
      { path: '^src/adapters/' },
      { path: '^src/', pathNot: '^src/(adapters|contracts)/' },
    ),
    forbid(
      'egress-alone-calls-out',
      'Whatever goes to a host that somebody named goes through src/adapters/egress.ts. These few call the servers that settings name, or listen.',
      {
        path: '^src/',
        pathNot: [
          '^src/adapters/(egress[^/]*|antivirus-clamd|mailer-smtp-pool|payments-stripe-client)\\.ts$',
          '^src/(server|metrics|api/lib/http-server)\\.ts$',
          '^src/embedded/',
        ],
      },
      valuesOf('^(http|https|http2|net|tls|dgram)$'),
    ),
    forbid('adapters-know-no-temporal', 'A driver can be used without Temporal.', { path: '^src/adapters/' }, { path: TEMPORAL }),

    forbid(
      'control-moves-rows',
      'control/ delivers what the store says; it does no work of a feature.',
      { path: '^src/control/' },
      { path: '^src/', pathNot: '^src/(control|contracts|store)/' },
    ),
    forbid('control-sees-store-as-types', 'The composition root hands the store over.', { path: '^src/control/' }, valuesOf('^src/store/')),
    forbid(
      'control-is-a-client',
      'control/ starts, signals and cancels; it runs no worker.',
      { path: '^src/control/' },
      { path: TEMPORAL, pathNot: packages('@temporalio/(client|common)') },
    ),

    forbid(
      'activities-do-not-orchestrate',
      'Activities are called; they call no workflow, no API and no part of control/.',
      { path: '^src/activities/' },
      { path: '^src/', pathNot: '^src/(activities|contracts|store|adapters)/' },
    ),
    forbid(
      'activities-see-deps-as-types',
      'Dependencies are arguments of createXActivities(deps).',
      { path: '^src/activities/' },
      valuesOf('^src/(store|adapters)/'),
    ),
    forbid(
      'activities-know-activity-sdk',
      'An activity that needs the client asks its context for it.',
      { path: '^src/activities/' },
      { path: TEMPORAL, pathNot: packages('@temporalio/(activity|common)') },
    ),

    forbid(
      'workflows-value-allowlist',
      'The bundler refuses nothing: what is imported as a value here ends up in the bundle.',
      { path: '^src/workflows/' },
      { dependencyTypesNot: ['type-only'], pathNot: ['^src/workflows/', '^src/contracts/pure/', TEMPORAL_WORKFLOW] },
    ),
    forbid(
      'workflow-types-from',
      'Types of contracts and of activities, of any feature.',
      { path: '^src/workflows/' },
      { pathNot: ['^src/(workflows|contracts|activities)/', TEMPORAL_WORKFLOW] },
    ),
    forbid(
      'workflows-by-path',
      'The bundle is made from the path of src/workflows; nothing else imports it.',
      { path: '^src/', pathNot: '^src/workflows/' },
      { path: '^src/workflows/' },
    ),

    forbid(
      'api-does-no-work',
      'Routes parse, store and answer; control/ delivers, activities work.',
      { path: '^src/api/' },
      { path: '^src/', pathNot: '^src/(api|contracts|store|adapters)/' },
    ),
    forbid(
      'api-sees-deps-as-types',
      'Dependencies are arguments of xRoutes(context).',
      { path: '^src/api/' },
      valuesOf('^src/(store|adapters)/'),
    ),
    forbid(
      'api-knows-no-temporal',
      'The API writes rows; it starts, signals and cancels nothing.',
      { path: '^src/api/' },
      { path: TEMPORAL },
    ),

    forbid(
      'features-do-not-meet',
      'A feature in activities/ or api/ imports itself and lib/ only.',
      { path: '^src/(activities|api)/([^/.]+)(\\.ts$|/)', pathNot: '^src/(activities|api)/(index|app)\\.ts$' },
      { path: '^src/$1/', pathNot: ['^src/$1/$2(\\.ts$|/)', '^src/$1/lib/'] },
    ),

    forbid('temporal-sdk-by-layer', 'Contracts and store know no Temporal.', { path: '^src/(contracts|store)/' }, { path: TEMPORAL }),
    forbid(
      'layers-import-no-root',
      'config, dependencies, server, worker, main and cli compose the layers; a layer may know their types.',
      { path: LAYERS },
      valuesOf('^src/[^/]+\\.ts$'),
    ),
    forbid(
      'embedded-only-at-the-top',
      'The servers that one machine needs are started by main.ts, cli.ts and tests.',
      { path: '^src/', pathNot: '^src/((main|cli)\\.ts$|embedded/)' },
      { path: '^src/embedded/' },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: join(__dirname, 'tsconfig.json') },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^test/structure/breaches/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
  },
};
