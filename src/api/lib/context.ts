import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Clock } from '../../contracts/clock.ts';
import type { Kinds } from '../../contracts/kinds.ts';
import type { Store } from '../../store/index.ts';

export interface HttpSettings {
  /** Where users reach us; links and problem types begin with it. */
  readonly publicUrl: string;
  readonly corsOrigins: readonly string[];
  readonly bodyLimitBytes: number;
  /** Requests a minute of one key; without a key, an address has a tenth of it. */
  readonly rateLimitPerMinute: number;
}

export interface StreamHub {
  /** Calls back on every change of the stream, and now and then without one. Returns the way to stop it. */
  subscribe(streamId: string, onChange: () => void): () => void;
}

export interface Health {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

/** Everything that routes may use. Made once a process, by the composition root and by tests. */
export interface ApiContext {
  readonly http: HttpSettings;
  readonly store: Store;
  readonly hub: StreamHub;
  readonly kinds: Kinds;
  /** Those that are on. */
  readonly features: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  readonly version: string;
  /** Aborted when the server begins to stop: streams and waits end then. */
  readonly shuttingDown: AbortSignal;
  health(): Promise<Health>;
  /** Whether an error means that the database is away rather than that something is wrong. */
  isUnavailable(error: unknown): boolean;
  temporalUiLink?(workflowId: string): string | undefined;
}
