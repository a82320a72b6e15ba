import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosFeature } from './feature.ts';
import { Load } from './load.ts';
import { loopSize, strikeAll } from './nemesis.ts';
import { planStrikes, type RunSize } from './plan.ts';
import { Product } from './product.ts';
import { isClean, reportLines, type RunResult } from './report.ts';

/** After the last strike's recovery, all work must end within this. */
const DRAIN_MS = 90_000;
/** What would still come, although all has ended, is given this long to come. */
const QUIET_MS = 3_000;

export interface Trial {
  readonly feature: ChaosFeature;
  readonly size: RunSize;
  /** The clone or copy that is put to the test. */
  readonly tree: string;
  readonly say: (line: string) => void;
  /** Aborted: everything ends. */
  readonly signal: AbortSignal;
  /** How long a drain may take; shorter where a failure is expected. */
  readonly drainMs?: number;
}

/** One run from start to verdict. Its folder stays when something was wrong, or is unknown. */
export async function runTrial(trial: Trial): Promise<RunResult> {
  const { feature, size, say } = trial;
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), `nightshift-chaos-${feature.name}-`));
  // PostgreSQL has a user of its own when we are root, and must be able to pass through.
  chmodSync(folder, 0o711);
  let isKept = true;
  try {
    await using world = await feature.open({ ...size, folder });
    await using product = await Product.start({ tree: trial.tree, folder, environment: world.environment });
    await world.prepare?.(product);
    const strikes = planStrikes(size, feature);
    say(`${feature.name}, seed ${size.seed}: ${size.count} operations, ${strikes.map(({ target }) => target).join(' ')}`);
    const load = new Load(product, world);
    trial.signal.addEventListener('abort', () => load.giveUp());
    const strikesAndLoad = async () => {
      const [struck] = await Promise.all([strikeAll({ product, load, world, size, say }, strikes), load.post(loopSize(size))]);
      await drain(load, trial.drainMs ?? DRAIN_MS);
      return struck;
    };
    const struck = await Promise.race([strikesAndLoad(), aborted(trial.signal)]);
    if (!load.isGivenUp) await Promise.race([world.secondAct?.(product, say), aborted(trial.signal)]);
    await sleep(QUIET_MS);
    const verdict = await world.judge(product);
    const violations = [...struck.violations, ...load.errors.map(({ message }) => message), ...verdict.violations];
    const result: RunResult = {
      feature: feature.name,
      size,
      verdict: { ...verdict, violations },
      tookMs: performance.now() - startedAt,
      figures: { 'requests repeated': load.repeats, 'slowest recovery ms': Math.round(struck.slowestRecoveryMs) },
    };
    // What nobody knows the end of is no violation, and worth a look.
    isKept = !isClean(result) || verdict.unknown.length > 0;
    for (const line of reportLines(result)) say(line);
    return result;
  } finally {
    if (isKept) say(`data, logs and journals: ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

async function drain(load: Load, limitMs: number): Promise<void> {
  const timer = setTimeout(() => load.giveUp(), limitMs);
  await load.ended();
  clearTimeout(timer);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error)); // always made by us, with a reason
  });
}
