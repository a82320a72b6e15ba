import { setTimeout as sleep } from 'node:timers/promises';
import type { FeatureWorld } from './feature.ts';
import type { Load } from './load.ts';
import { BLACKOUT_POSTS, type RunSize, type Strike } from './plan.ts';
import type { Product } from './product.ts';

const STALL_MS = 15_000;
const LOOK_EVERY_MS = 2;
/** When nothing more is seen for so long, a strike comes all the same. */
const PATIENCE_MS = 20_000;
/** How long a blackout may take to accept its posts. */
const BLACKOUT_ACCEPT_MS = 10_000;

export interface NemesisParts {
  readonly product: Product;
  readonly load: Load;
  readonly world: FeatureWorld;
  readonly size: RunSize;
  readonly say: (line: string) => void;
}

/** What the strikes came to. */
export interface Struck {
  /** Posts of the blackout that were not accepted while Temporal was away. */
  readonly violations: readonly string[];
  readonly slowestRecoveryMs: number;
}

/** Carries out the plan, strike by strike, each after the last one's recovery. */
export async function strikeAll(parts: NemesisParts, strikes: readonly Strike[]): Promise<Struck> {
  const { load, world, size, say } = parts;
  const violations: string[] = [];
  let slowestRecoveryMs = 0;
  for (const strike of strikes) {
    load.allow(Math.min(strike.postsBefore, loopSize(size)));
    const isDue = await untilSeen(world, Math.floor(strike.share * world.expectedEffects));
    const seen = world.seenEffects();
    const open = load.open;
    const startedAt = performance.now();
    await hit(parts.product, strike);
    const tookMs = performance.now() - startedAt;
    slowestRecoveryMs = Math.max(slowestRecoveryMs, tookMs);
    const late = isDue ? '' : ', although fewer were seen than planned';
    say(`${strike.ordinal}/${size.kills} ${strike.target} at ${seen} effects with ${open} open: back after ${seconds(tookMs)}${late}`);
    if (strike.isBlackoutNext) violations.push(...(await blackOut(parts)));
  }
  load.allow(loopSize(size));
  return { violations, slowestRecoveryMs };
}

/** What the loop posts; the rest is for the blackout. */
export function loopSize({ count, blackoutPosts = BLACKOUT_POSTS }: RunSize): number {
  return count - blackoutPosts;
}

async function untilSeen(world: FeatureWorld, wanted: number): Promise<boolean> {
  let seen = world.seenEffects();
  for (let lastNews = performance.now(); seen < wanted;) {
    await sleep(LOOK_EVERY_MS);
    const now = world.seenEffects();
    if (now > seen) lastNews = performance.now();
    else if (performance.now() - lastNews > PATIENCE_MS) return false;
    seen = now;
  }
  return true;
}

async function hit(product: Product, { target }: Strike): Promise<void> {
  switch (target) {
    case 'supervisor':
      return product.killSupervisorAndStart();
    case 'stall':
      product.signal('app', 'SIGSTOP');
      await sleep(STALL_MS);
      product.signal('app', 'SIGCONT');
      return product.ready();
    case 'app':
    case 'postgres':
    case 'temporal':
    case 'work':
    case 'gpu':
      return product.killAndAwait(target);
  }
}

/** Temporal is stopped, work is accepted all the same, the app dies, and both come back. */
async function blackOut({ product, load, size, say }: NemesisParts): Promise<readonly string[]> {
  const posts = size.blackoutPosts ?? BLACKOUT_POSTS;
  await load.hold(posts);
  const ordinals = Array.from({ length: posts }, (_, index) => loopSize(size) + index);
  product.signal('temporal', 'SIGSTOP');
  try {
    const startedAt = performance.now();
    const accepted = load.postAside(ordinals).then(() => true);
    const isAccepted = await Promise.race([accepted, sleep(BLACKOUT_ACCEPT_MS, false)]);
    say(`blackout: ${isAccepted ? `${posts} posts accepted in ${seconds(performance.now() - startedAt)}` : 'posts not accepted'}`);
    const back = product.killAndAwait('app');
    await sleep(500);
    product.signal('temporal', 'SIGCONT');
    await back;
    await accepted;
    return isAccepted ? [] : [`blackout: not all of ${posts} posts were accepted within ${seconds(BLACKOUT_ACCEPT_MS)}`];
  } finally {
    load.release();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
