import type { Request, Response } from 'express';
import type * as z from 'zod';
import type { Actor } from '../../store/audit.ts';
import type { ProblemCode } from '../../contracts/problems.ts';

export type Method = 'get' | 'head' | 'put' | 'post' | 'patch' | 'delete';

/** Who asks, once the key was checked. */
export interface Caller {
  readonly keyId: string;
  readonly kind: 'key' | 'platform' | 'token' | 'session';
  readonly scopes: readonly string[];
  /** The end user whom a token stands for; such a caller sees only rows with this `ownerSubject`. */
  readonly subject: string | undefined;
  /** All that a token reaches of what is its subject's; undefined: everything. */
  readonly resources: readonly string[] | undefined;
  readonly expiresAt: Date | undefined;
  readonly actor: Actor;
}

/** A caller who acts for one tenant. */
export interface TenantCaller extends Caller {
  readonly tenantId: string;
}

export interface Idempotency {
  readonly key: string;
  readonly digest: string;
}

/** What a handler gets: checked, typed, nothing else. */
export interface RouteRequest<Params, Query, Body, Auth> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly auth: Auth;
  readonly now: Date;
  readonly requestId: string;
  readonly idempotency: Idempotency | undefined;
  /** How long the caller would wait for the end of the work; 0 without `Prefer: wait`. */
  readonly waitMs: number;
  readonly ifNoneMatch: string | undefined;
  readonly lastEventId: string | undefined;
  /** The other end of the connection; with a proxy in between, the proxy. */
  readonly peerAddress: string | undefined;
  /** The name under which the client thinks to reach us. Anybody can send any. */
  readonly host: string | undefined;
  /** Aborted when the client goes away. */
  readonly gone: AbortSignal;
}

export interface JsonReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** For what is not JSON: files, pages, streams. */
export interface RawReply {
  readonly send: (exchange: { readonly request: Request; readonly response: Response }) => Promise<void> | void;
}

export type Reply = JsonReply | RawReply;

export interface ResponseSpec {
  readonly description: string;
  /** Without one there is no body. */
  readonly schema?: z.ZodType;
  readonly example?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Spec<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, Auth> {
  readonly method: Method;
  /** As in OpenAPI: `/v1/operations/{id}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly bodyExample?: unknown;
  /** More than one example, by name; goes before `bodyExample`. */
  readonly bodyExamples?: Readonly<Record<string, unknown>>;
  /** No body means `{}`. */
  readonly bodyOptional?: boolean;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
  /** Problems beside those that follow from the rest of the definition. */
  readonly problems?: readonly ProblemCode[];
  /** Takes `Idempotency-Key`. */
  readonly idempotent?: boolean;
  /** Does nothing without one: the handler refuses. */
  readonly needsKey?: boolean;
  /** Where the body is no JSON: headers that tell, with the query, whether a request is the same as an earlier one. */
  readonly identifyingHeaders?: readonly string[];
  /** Answers with an operation and takes `Prefer: wait`. */
  readonly startsWork?: boolean;
  /** Header parameters to document beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A path parameter of the wrong form is a bad request rather than an object that does not exist. */
  readonly checksParams?: boolean;
  /** End users' tokens may ask: the handler shows and does only what is theirs. Without it, keys only. */
  readonly tokens?: boolean;
  /** Takes the token as `access_token` in the query: for what browsers open without being able to set a header. */
  readonly tokenInQuery?: boolean;
  /** On every answer of the path, of errors too. */
  readonly answerHeaders?: Readonly<Record<string, string>>;
  /** On the answer to OPTIONS. */
  readonly optionsHeaders?: Readonly<Record<string, string>>;
  /** `X-HTTP-Method-Override` of a POST says what is meant: for clients that can not send every method. */
  readonly methodOverride?: boolean;
  /** Reads the body itself, for as long as it takes: what it may be, by its type. */
  readonly streams?: Readonly<Record<string, { readonly schema: z.ZodType; readonly example?: unknown }>>;
  readonly feature?: string;
  readonly handler: (request: RouteRequest<z.output<P>, z.output<Q>, z.output<B>, Auth>) => Promise<Reply> | Reply;
}

/** Any one of the scopes lets the caller in. */
export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'platform' }
  | { readonly kind: 'tenant'; readonly scopes: readonly string[] };

/** One route, from which Express and OpenAPI are both made. */
export interface Route extends Omit<Spec<z.ZodObject, z.ZodObject, z.ZodType, never>, 'handler'> {
  readonly access: Access;
  readonly handler: (request: RouteRequest<unknown, unknown, unknown, Caller | TenantCaller | undefined>) => Promise<Reply> | Reply;
}

/** A route that acts for one tenant; the key needs one of the scopes. */
export function tenantRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  scopes: readonly string[],
  spec: Spec<P, Q, B, TenantCaller>,
): Route {
  return erase({ kind: 'tenant', scopes }, spec);
}

/** A route for platform keys only. */
export function platformRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(spec: Spec<P, Q, B, Caller>): Route {
  return erase({ kind: 'platform' }, spec);
}

/** A route that needs no key. */
export function publicRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(spec: Spec<P, Q, B, undefined>): Route {
  return erase({ kind: 'public' }, spec);
}

function erase<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType, Auth>(access: Access, spec: Spec<P, Q, B, Auth>): Route {
  // The mount checks params, query, body and caller by this same definition before it calls the handler.
  return { ...spec, access } as unknown as Route;
}
