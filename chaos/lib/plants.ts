import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isClean } from './report.ts';
import { runTrial, type Trial } from './trial.ts';

const PLANTS = join(import.meta.dirname, '../plants');
/** A planted mistake leaves work that never ends; nobody needs to wait long for it. */
const DRAIN_MS = 40_000;

interface PlantRun extends Omit<Trial, 'drainMs'> {
  /** One plant by name, else all of the feature's. */
  readonly only: string | undefined;
}

/** Each planted mistake must be caught: a judge that lets one pass is no judge. Answers with the exit code. */
export async function runPlants({ only, ...trial }: PlantRun): Promise<number> {
  const prefix = `${trial.feature.name}-`;
  const names = readdirSync(PLANTS)
    .filter((file) => file.startsWith(prefix) && file.endsWith('.patch'))
    .map((file) => file.slice(prefix.length, -'.patch'.length))
    .filter((name) => only === undefined || name === only)
    .toSorted();
  const missed: string[] = [];
  for (const name of names) {
    const isCaught = await runPlant(join(PLANTS, `${prefix}${name}.patch`), trial);
    trial.say(`plant ${name}: ${isCaught ? 'caught' : 'NOT CAUGHT'}`);
    if (!isCaught) missed.push(name);
  }
  trial.say(`${names.length - missed.length} of ${names.length} plants caught, seed ${trial.size.seed}`);
  return missed.length === 0 && names.length > 0 ? 0 : 1;
}

async function runPlant(patch: string, trial: Trial): Promise<boolean> {
  const copy = copyTree(trial.tree);
  try {
    execFileSync('git', ['apply', '--whitespace=nowarn', patch], { cwd: copy });
    const result = await runTrial({ ...trial, tree: copy, drainMs: DRAIN_MS });
    // A run that failed for nothing having been done again has caught nobody.
    return !isClean(result) && result.verdict.violations.length > 0;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** What git knows of, and what set-up has fetched. */
function copyTree(tree: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'nightshift-plant-'));
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: tree, encoding: 'utf8' });
  for (const file of files.split('\0')) {
    if (file === '' || !existsSync(join(tree, file))) continue;
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(tree, file), join(copy, file));
  }
  for (const folder of ['node_modules', '.cache']) symlinkSync(join(tree, folder), join(copy, folder));
  return copy;
}
