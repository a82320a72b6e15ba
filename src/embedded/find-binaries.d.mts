/** The outcome of one look-up: a path, or why each place looked at did not do. */
export interface BinaryLookup {
  readonly path: string | undefined;
  /** One line per place that was looked at and did not do. */
  readonly tried: readonly string[];
}

/** Where Node keeps compiled code of ours. */
export const CODE_CACHE_DIR: string;

/** Finds the Temporal CLI: TEMPORAL_CLI_PATH, PATH (new enough), then the cache. Never downloads. */
export function findTemporalCli(environment: Readonly<Record<string, string | undefined>>, cacheDir?: string): BinaryLookup;

/** Finds the time-skipping test server: TEMPORAL_TEST_SERVER_PATH, then the cache. Never downloads. */
export function findTestServer(environment: Readonly<Record<string, string | undefined>>, cacheDir?: string): BinaryLookup;
