// Kills the product's processes at random while it works, and judges by what the outside parties saw. See docs/proof/chaos.md.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ChaosFeature } from './lib/feature.ts';
import type { RunSize } from './lib/plan.ts';
import { runPlants } from './lib/plants.ts';
import { isClean } from './lib/report.ts';
import { runTrial } from './lib/trial.ts';

const USAGE = `npm run chaos -- --feature NAME [--count N] [--kills K] [--seed S] | [--smoke] | [--plants]

  --count N    operations (1000)
  --kills K    strikes (25)
  --seed S     repeats plan and faults (1)
  --smoke      100 operations, 5 kills, or what the feature says
  --plants     planted mistakes in copies of the tree, smoke size; --only NAME for one of them
  --tree DIR   another clone than this one
`;
const ROOT = join(import.meta.dirname, '..');
const SMOKE = { count: 100, kills: 5 };

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      feature: { type: 'string' },
      count: { type: 'string', default: '1000' },
      kills: { type: 'string', default: '25' },
      seed: { type: 'string', default: '1' },
      smoke: { type: 'boolean', default: false },
      plants: { type: 'boolean', default: false },
      only: { type: 'string' },
      tree: { type: 'string', default: ROOT },
    },
  });
  const { feature: name, tree } = values;
  const file = join(import.meta.dirname, `${name}.ts`);
  if (name === undefined || !/^[a-z]+$/.test(name) || !existsSync(file)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const feature = await load(file, name);
  const seed = wholeNumber('seed', values.seed);
  const asked =
    values.smoke || values.plants
      ? (feature.smoke ?? SMOKE)
      : { count: wholeNumber('count', values.count), kills: wholeNumber('kills', values.kills) };
  const { blackoutPosts } = feature;
  const size: RunSize = { seed, ...(blackoutPosts === undefined ? {} : { blackoutPosts }), ...asked };
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));
  if (values.plants) return runPlants({ feature, size, tree, say, signal: stop.signal, only: values.only });
  return isClean(await runTrial({ feature, size, tree, say, signal: stop.signal })) ? 0 : 1;
}

/** A feature's file exports `NAMEChaos`. */
async function load(file: string, name: string): Promise<ChaosFeature> {
  const module = (await import(file)) as Readonly<Record<string, ChaosFeature>>; // what the file exports, by the convention above
  const feature = module[`${name}Chaos`];
  if (feature === undefined) throw new Error(`${file} exports no ${name}Chaos.`);
  return feature;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`--${name} ${text}: must be a whole number.`);
}

function say(line: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
