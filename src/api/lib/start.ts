import type * as z from 'zod';
import { Operation, StartFields } from '../../contracts/operation.ts';
import type { Kind } from '../../contracts/kinds.ts';
import type { OperationRow, StartFieldValues } from '../../store/operations.ts';
import type { ApiContext } from './context.ts';
import { presentOperation } from './present-operation.ts';
import { checkNotify } from './notify.ts';
import { HttpProblem } from './problems.ts';
import { sees } from './visibility.ts';
import type { Idempotency, JsonReply, ResponseSpec, TenantCaller } from './route.ts';
import { isTerminal, waitForEnd } from './wait.ts';

const MAX_AHEAD_MS = 10 * 366 * 24 * 3_600_000;

/** What the body of a request that starts work may carry beside its own fields, as parsed. */
export type StartBody = z.output<z.ZodObject<typeof StartFields>>;

/** How the caller asked: part of every `RouteRequest` of a route that starts work. */
export interface Asking {
  readonly auth: TenantCaller;
  readonly now: Date;
  readonly idempotency: Idempotency | undefined;
  readonly waitMs: number;
  readonly gone: AbortSignal;
}

export interface StartRequest extends Asking {
  readonly kind: Kind;
  readonly input: object;
  readonly start: StartBody;
  /** Where the input is in the request; pointers of problems begin with it. */
  readonly inputPointer?: string;
}

/** The schema of a kind's input, with what single fields can't say. */
export function inputOf(kind: Kind): z.ZodType<Record<string, unknown>> {
  // The registry pairs each check with the content that it checks.
  return kind.check === undefined
    ? kind.content
    : kind.content.superRefine(kind.check as (input: unknown, context: z.core.$RefinementCtx) => void);
}

/** The schema of a kind's own route: its input and the common start fields in one object. */
export function startBodyOf(kind: Kind): z.ZodType<Record<string, unknown>> {
  const whole = kind.content.extend(StartFields);
  return kind.check === undefined ? whole : whole.superRefine(kind.check as (input: unknown, context: z.core.$RefinementCtx) => void);
}

/** The two halves of a body that `startBodyOf` has checked. */
export function splitStartBody(body: Readonly<Record<string, unknown>>): {
  readonly input: Record<string, unknown>;
  readonly start: StartBody;
} {
  const entries = Object.entries(body);
  const start = Object.fromEntries(entries.filter(([name]) => Object.hasOwn(StartFields, name)));
  // `startBodyOf` has checked these fields by their schemas.
  return { input: Object.fromEntries(entries.filter(([name]) => !Object.hasOwn(StartFields, name))), start: start as StartBody };
}

/** Accepts the work and answers with its operation: 202, or 200 when it was there before or has ended while the caller waited. */
export async function startOperation(ctx: ApiContext, request: StartRequest): Promise<JsonReply> {
  requireFeature(ctx, request.kind);
  const { auth, kind, idempotency, now } = request;
  requireKey(kind, idempotency);
  const { start, ownerSubject } = await prepareStart(ctx, request);
  const input = await prepareInput(ctx, kind, request);
  const accept = ctx.accept?.[kind.name] ?? ctx.store.operations.accept;
  const accepted = await accept({
    tenantId: auth.tenantId,
    kind,
    input,
    start,
    actor: auth.actor,
    ownerSubject,
    idempotency,
    now,
  });
  if (accepted.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
  // Work that exists under its natural key may be somebody else's.
  if (!sees(auth, accepted.operation)) throw new HttpProblem('not_found');
  return answerStarted(ctx, accepted, request);
}

/** The common start fields as they are stored, and whose work it will be. @throws {HttpProblem} for what this caller can not ask for */
export async function prepareStart(
  ctx: ApiContext,
  { auth, start: body, now }: Pick<StartRequest, 'auth' | 'start' | 'now'>,
): Promise<{ readonly start: StartFieldValues; readonly ownerSubject: string | undefined }> {
  const start = checkStart(body, now);
  await checkNotify(ctx, auth, start.notify ?? []);
  return { start, ownerSubject: ownerOf(auth, body.ownerSubject) };
}

/** What is stored as the input of the work. @throws {HttpProblem} when the feature finds more wrong than the schema does */
export async function prepareInput(
  ctx: ApiContext,
  kind: Kind,
  { input, inputPointer = '', auth, now }: Pick<StartRequest, 'input' | 'inputPointer' | 'auth' | 'now'>,
): Promise<object> {
  const prepare = ctx.prepare?.[kind.name];
  return prepare === undefined ? input : prepare(input, { tenantId: auth.tenantId, caller: auth, now, pointer: inputPointer });
}

/** The answer to work that was accepted, now or before. */
export async function answerStarted(
  ctx: ApiContext,
  accepted: { readonly outcome: 'created' | 'existing' | 'replayed'; readonly operation: OperationRow },
  asking: Asking,
): Promise<JsonReply> {
  const operation = await waitForEnd(ctx, accepted.operation, asking);
  const hasEnded = asking.waitMs > 0 && isTerminal(operation);
  const status = accepted.outcome === 'existing' || hasEnded ? 200 : 202;
  return {
    status,
    body: presentOperation(operation, ctx),
    headers: {
      Location: `/v1/operations/${operation.id}`,
      ...(isTerminal(operation) ? {} : { 'Retry-After': '1' }),
      ...(accepted.outcome === 'replayed' ? { 'Idempotency-Replayed': 'true' } : {}),
      ...(asking.waitMs > 0 ? { 'Preference-Applied': `wait=${asking.waitMs / 1000}` } : {}),
    },
  };
}

/** @throws {HttpProblem} feature_off */
export function requireFeature(ctx: Pick<ApiContext, 'features'>, kind: Kind): void {
  if (kind.feature === 'core' || ctx.features.includes(kind.feature)) return;
  throw new HttpProblem(
    'feature_off',
    `The kind ${kind.name} belongs to the feature ${kind.feature}, which is switched off on this server.`,
  );
}

/** @throws {HttpProblem} idempotency_key_required, where money moves and the request has no key by which it can be repeated safely */
export function requireKey(kind: Kind, idempotency: Idempotency | undefined): void {
  if (kind.movesMoney === true && idempotency === undefined) throw new HttpProblem('idempotency_key_required');
}

/** The new start of work that waits. @throws {HttpProblem} when it is too far away, or when the work has expired by then */
export function checkStartAt(text: string, now: Date, expiresAt: Date | null): Date {
  const startAt = instantWithin('startAt', text, now);
  if (expiresAt !== null && expiresAt <= startAt) throw badInstant('startAt', `must be earlier than expiresAt, ${expiresAt.toISOString()}`);
  return startAt;
}

/** Answers of every route that takes work on. */
export function startedResponses(kind: string): Readonly<Record<number, ResponseSpec>> {
  const ended = { status: 'succeeded', phase: 'succeeded', finishedAt: '2026-11-24T22:00:01.000Z' } as const;
  return {
    200: {
      description: 'The work was there before under its natural key, or it has ended while the caller waited, with whatever outcome.',
      schema: Operation,
      example: exampleOperation(kind, ended),
    },
    202: {
      description: 'Accepted: it is stored and will be done.',
      schema: Operation,
      example: exampleOperation(kind),
      headers: {
        Location: 'Where the operation is.',
        'Retry-After': 'Seconds until it is worth looking again.',
        'Idempotency-Replayed': '`true` when the `Idempotency-Key` had been used for this request before.',
      },
    },
  };
}

/** An operation for the examples in OpenAPI. */
export function exampleOperation(kind: string, overrides: Partial<Operation> = {}): Operation {
  const id = '019ab6a0-7c00-7000-8000-000000000001';
  return {
    id,
    object: 'operation',
    kind,
    status: 'accepted',
    phase: 'accepted',
    tags: ['welcome'],
    metadata: { customer: 'c_42' },
    createdAt: '2026-11-24T22:00:00.000Z',
    rootId: id,
    attempt: 1,
    links: {
      self: `/v1/operations/${id}`,
      stream: `/v1/operations/${id}/stream`,
    },
    ...overrides,
  };
}

/** Whose work it will be: what a token starts is its subject's; a key says so, or nobody's. */
export function ownerOf(auth: TenantCaller, named: string | undefined): string | undefined {
  if (auth.kind !== 'token') return named;
  if (auth.resources !== undefined)
    throw new HttpProblem('insufficient_scope', 'The token is for the resources that it names, so it can not start anything new.');
  if (named === undefined) return auth.subject;
  const message = 'is for keys only: what a token starts is its subject’s';
  throw new HttpProblem('invalid_request', `/ownerSubject ${message}.`, { errors: [{ pointer: '/ownerSubject', message }] });
}

function checkStart(start: StartBody, now: Date): StartFieldValues {
  const startAt = start.startAt === undefined ? undefined : instantWithin('startAt', start.startAt, now);
  const expiresAt = start.expiresAt === undefined ? undefined : instantWithin('expiresAt', start.expiresAt, now);
  const earliest = startAt !== undefined && startAt > now ? startAt : now;
  if (expiresAt !== undefined && expiresAt <= earliest) throw badInstant('expiresAt', 'must be later than now and than startAt');
  return { startAt, expiresAt, priority: start.priority, tags: start.tags, metadata: start.metadata, notify: start.notify };
}

function instantWithin(field: string, text: string, now: Date): Date {
  const instant = new Date(text);
  const isWithin = instant.getTime() >= 0 && instant.getTime() <= now.getTime() + MAX_AHEAD_MS;
  if (!isWithin) throw badInstant(field, 'must be after 1970 and at most 10 years ahead');
  return instant;
}

function badInstant(field: string, message: string): HttpProblem {
  return new HttpProblem('invalid_request', `/${field} ${message}.`, { errors: [{ pointer: `/${field}`, message }] });
}
