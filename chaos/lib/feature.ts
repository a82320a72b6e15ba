import type { Load } from './load.ts';
import type { RunSize, Target } from './plan.ts';
import type { Product } from './product.ts';

/** What a feature adds to the framework: who is outside, what is asked for, and how the end is judged. */
export interface ChaosFeature {
  readonly name: string;
  /** Size of the short run; without one that of all. */
  readonly smoke?: { readonly count: number; readonly kills: number; readonly blackoutPosts?: number };
  /** Where the usual number of posts in a blackout does not fit. */
  readonly blackoutPosts?: number;
  /** Every process that it uses, and the supervisor: the deck. */
  readonly targets: readonly Target[];
  /** Without its fall a run would not touch what the feature promises. */
  readonly mustFall?: Target;
  /** Starts the outside parties, in this process, which is never killed while judged. */
  open(run: FeatureRun): Promise<FeatureWorld>;
}

export interface FeatureRun extends RunSize {
  /** Where ledgers and journals go. */
  readonly folder: string;
}

export interface FeatureWorld extends AsyncDisposable {
  /** Settings that point the product at the outside parties. */
  readonly environment: Readonly<Record<string, string>>;
  /** Called once the product is up, before the load: what it must be told, and what the outside parties must be told of it. */
  prepare?(product: Product): Promise<void>;
  /** Effects that the outside parties will have seen when all is done. */
  readonly expectedEffects: number;
  /** How many of them they have seen. */
  seenEffects(): number;
  /** The life of one operation as a client sees it; resolves when it is seen to have ended. `onAcknowledged`: it is safely noted. */
  live(ordinal: number, load: Load, onAcknowledged: () => void): Promise<void>;
  /** After the load has ended: what needs strikes at points of its own, and makes them itself. */
  secondAct?(product: Product, say: (line: string) => void): Promise<void>;
  judge(product: Product): Promise<Verdict>;
}

export interface Verdict {
  /** Each says what is wrong, with names; empty means clean. */
  readonly violations: readonly string[];
  /** What happened, for the report. */
  readonly figures: Readonly<Record<string, number>>;
  /** Work that ran again after a crash, by the API's timeline. None: the run proves nothing. */
  readonly redone: number;
  /** Operations whose outcome nobody knows, by name. */
  readonly unknown: readonly string[];
}
