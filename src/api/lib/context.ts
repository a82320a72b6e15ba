import type { Express } from 'express';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Catalogue } from '../../adapters/catalogue.ts';
import type { FindBytes } from '../../adapters/file-bytes.ts';
import type { Sources } from '../../adapters/sources.ts';
import type { Storage } from '../../adapters/storage.ts';
import type { EmailTemplates } from '../../adapters/templates.ts';
import type { Clock } from '../../contracts/clock.ts';
import type { Kinds } from '../../contracts/kinds.ts';
import type { Payments } from '../../adapters/payments.ts';
import type { Accepted, AcceptRequest } from '../../store/operations.ts';
import type { Store } from '../../store/index.ts';
import type { Caller, Route } from './route.ts';

export interface HttpSettings {
  /** Where users reach us; links and problem types begin with it. */
  readonly publicUrl: string;
  readonly corsOrigins: readonly string[];
  readonly bodyLimitBytes: number;
  /** Requests a minute of one key; without a key, an address has a tenth of it. */
  readonly rateLimitPerMinute: number;
}

export interface FileSettings {
  /** Of one file. */
  readonly maxBytes: number;
  /** Of all files of a tenant. */
  readonly quotaBytes: number;
  /** After the last bytes of an upload that is not whole. */
  readonly uploadExpiryMs: number;
}

export interface StreamHub {
  /** Calls back on every change of the stream, and now and then without one. Returns the way to stop it. */
  subscribe(stream: { readonly tenantId: string; readonly id: string }, onChange: () => void): () => void;
}

export interface Preparing {
  readonly tenantId: string;
  readonly caller: Caller;
  readonly now: Date;
  /** Where the input is in the request; pointers of problems begin with it. */
  readonly pointer: string;
}

/** Turns the input of a kind, which its schema has checked, into what is stored. */
export type PrepareInput = (input: object, preparing: Preparing) => Promise<object>;

/** Accepts work of a kind that comes with more than its operation’s row. Throws a problem when it can’t be accepted. */
export type AcceptWork = (request: AcceptRequest) => Promise<Accepted>;

/** What a feature adds to the API. */
export interface FeatureApi {
  readonly routes: (ctx: ApiContext) => Route[];
  /** By kind; a kind without one is stored as it comes. */
  readonly prepare?: Readonly<Record<string, (ctx: ApiContext) => PrepareInput>>;
  /** By kind; a kind without one is accepted as every other. */
  readonly accept?: Readonly<Record<string, (ctx: ApiContext) => AcceptWork>>;
  /** Puts pages of the feature’s own there, which are no part of the API. */
  readonly mountPages?: (app: Express, ctx: ApiContext) => void;
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
  readonly templates: EmailTemplates;
  readonly catalogue: Catalogue;
  /** What the API may ask of payments: nothing that changes any. */
  readonly payments: Pick<Payments, 'mode' | 'publishableKey' | 'checkWebhook'>;
  /** How long a buyer may take to pay. */
  readonly payWithinMs: number;
  /** The demo shop: what it is called, and whose it is. */
  readonly shop: { readonly name: string; readonly tenantId: string };
  /** Something came into the inbox of the payment provider. */
  wakePayments?(): void;
  readonly storage: Storage;
  /** Looked at when somebody names an object of theirs. */
  readonly sources: Pick<Sources, 'look'>;
  readonly findBytes: FindBytes;
  readonly files: FileSettings;
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
  /** Of the features that are on; the app puts them there. */
  readonly prepare?: Readonly<Record<string, PrepareInput>>;
  readonly accept?: Readonly<Record<string, AcceptWork>>;
  temporalUiLink?(workflowId: string): string | undefined;
}
