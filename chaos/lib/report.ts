import type { Verdict } from './feature.ts';
import type { RunSize } from './plan.ts';

const MAX_SHOWN = 20;

/** How one run ended. */
export interface RunResult {
  readonly feature: string;
  readonly size: RunSize;
  readonly verdict: Verdict;
  readonly tookMs: number;
  /** Of the load and the strikes. */
  readonly figures: Readonly<Record<string, number>>;
}

/** Clean: nothing is wrong, and something was done again, without which nothing was proven. */
export function isClean({ verdict }: RunResult): boolean {
  return verdict.violations.length === 0 && verdict.redone > 0;
}

/** The end of a run in a few lines; wrongs first. */
export function reportLines(result: RunResult): readonly string[] {
  const { feature, size, verdict, tookMs, figures } = result;
  const shown = verdict.violations.slice(0, MAX_SHOWN).map((violation) => `  ✗ ${violation}`);
  const more = verdict.violations.length - shown.length;
  const all = Object.entries({ ...figures, ...verdict.figures, redone: verdict.redone });
  return [
    ...shown,
    ...(more > 0 ? [`  ✗ … and ${more} more`] : []),
    ...(verdict.redone === 0 ? ['  ✗ no work was done again after a crash: the run proves nothing'] : []),
    ...verdict.unknown.map((name) => `  ? unknown: ${name}`),
    `  ${all.map(([name, value]) => `${name} ${value}`).join(', ')}`,
    `${isClean(result) ? 'clean' : 'FAILED'}: ${feature}, ${size.count} operations, ${size.kills} kills, seed ${size.seed}, ${(tookMs / 1000).toFixed(0)} s`,
  ];
}
