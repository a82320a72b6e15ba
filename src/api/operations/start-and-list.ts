import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Kind, Kinds } from '../../contracts/kinds.ts';
import { Operation, OperationStatusSchema, StartFields } from '../../contracts/operation.ts';
import { InstantParameter, PageQuery, UuidParams, pageOf } from '../../contracts/routes.ts';
import type { OperationFilter } from '../../store/operations.ts';
import type { ApiContext } from '../lib/context.ts';
import { readTimeCursor, timePage } from '../lib/pages.ts';
import { presentOperation } from '../lib/present-operation.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type JsonReply, type Route, tenantRoute } from '../lib/route.ts';
import { exampleOperation, inputOf, startedResponses, startOperation } from '../lib/start.ts';
import { sightOf } from '../lib/visibility.ts';
import { isTerminal } from '../lib/wait.ts';
import { findOperation, readableKinds, requireKind, scopesFor } from './access.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TAG = 'Operations';

const OperationPage = pageOf(Operation, 'OperationPage');

const ListQuery = z.object({
  kind: z
    .string()
    .regex(/^[A-Za-z]{1,64}(,[A-Za-z]{1,64}){0,49}$/, 'must be a kind, or several with commas between them')
    .optional()
    .meta({ description: 'Only operations of this kind, or of these: `email,campaign`.', example: 'email' }),
  status: OperationStatusSchema.optional().meta({ description: 'Only operations that stand so.', example: 'succeeded' }),
  tag: z.string().min(1).max(64).optional().meta({ description: 'Only operations with this tag.', example: 'welcome' }),
  text: z.string().min(1).max(200).optional().meta({ description: 'Looked for in id, tags, metadata and input.', example: 'c_42' }),
  createdAfter: InstantParameter.optional().meta({ description: 'Accepted at this instant or later.' }),
  createdBefore: InstantParameter.optional().meta({ description: 'Accepted before this instant.' }),
  ...PageQuery,
});

export function startAndListRoutes(ctx: ApiContext): Route[] {
  return [startRoute(ctx), listRoute(ctx), getRoute(ctx)];
}

function startRoute(ctx: ApiContext): Route {
  const kinds = Object.values(ctx.kinds);
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'post',
    path: '/v1/operations',
    operationId: 'startOperation',
    summary: 'Start work of any kind',
    description: 'Stores the request and answers at once; the work is done in the background, whatever crashes meanwhile.',
    tag: TAG,
    tokens: true,
    body: startSchema(ctx.kinds),
    bodyExamples: Object.fromEntries(kinds.map((kind) => [kind.name, { kind: kind.name, input: kind.example, tags: ['welcome'] }])),
    responses: startedResponses('email'),
    problems: ['feature_off', 'idempotency_key_required'],
    idempotent: true,
    startsWork: true,
    async handler(request) {
      const { kind: name, input, ...start } = request.body;
      const kind = ctx.kinds[name];
      if (kind === undefined) throw new HttpProblem('invalid_request');
      requireKind(request.auth, kind, 'start');
      return startOperation(ctx, { ...request, kind, input, start, inputPointer: '/input' });
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'read'), {
    method: 'get',
    path: '/v1/operations',
    operationId: 'listOperations',
    summary: 'List operations',
    description: 'Newest first. A key that may read some kinds only sees operations of these.',
    tag: TAG,
    tokens: true,
    query: ListQuery,
    responses: {
      200: {
        description: 'One page.',
        schema: OperationPage,
        example: { data: [exampleOperation('email')], hasMore: false, nextCursor: null },
      },
    },
    problems: ['invalid_cursor'],
    async handler({ query, auth }) {
      const { limit, cursor, createdAfter, createdBefore, kind, ...rest } = query;
      const filter: OperationFilter = {
        ...rest,
        kinds: allowedKinds(readableKinds(auth, ctx.kinds), kind?.split(',')),
        createdAfter: createdAfter === undefined ? undefined : new Date(createdAfter),
        createdBefore: createdBefore === undefined ? undefined : new Date(createdBefore),
        ...sightOf(auth),
      };
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, UUID) };
      const rows = await ctx.store.operations.list(auth.tenantId, filter, page);
      return { status: 200, body: timePage(rows, limit, (row) => presentOperation(row, ctx)) };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'read'), {
    method: 'get',
    path: '/v1/operations/{id}',
    operationId: 'getOperation',
    summary: 'Look at an operation',
    description: 'While it runs, `Retry-After` says when it is worth looking again. For news as they happen, read its stream.',
    tag: TAG,
    tokens: true,
    params: UuidParams,
    headers: { 'If-None-Match': 'The `ETag` of the last answer: 304 when nothing has changed since.' },
    responses: {
      200: {
        description: 'The operation.',
        schema: Operation,
        example: exampleOperation('email', {
          status: 'running',
          phase: 'sending',
          progress: { done: 1, total: 3, unit: 'recipients', percent: 33 },
        }),
        headers: { ETag: 'Changes whenever the answer does.' },
      },
      304: { description: 'Nothing has changed.' },
    },
    problems: ['not_found'],
    async handler(request) {
      return revalidated(presentOperation(await findOperation(ctx, request, 'read'), ctx), request.ifNoneMatch);
    },
  });
}

/** 304 when the caller has this answer already. */
function revalidated(operation: Operation, ifNoneMatch: string | undefined): JsonReply {
  const etag = `"${createHash('sha256').update(JSON.stringify(operation)).digest('base64url').slice(0, 22)}"`;
  const headers = { ETag: etag, 'Cache-Control': 'private, no-cache', ...(isTerminal(operation) ? {} : { 'Retry-After': '1' }) };
  const known = new Set((ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, '')));
  if (known.has(etag) || known.has('*')) return { status: 304, headers };
  return { status: 200, body: operation, headers };
}

/** Those that are asked for, of those that the caller may read; undefined: all. */
function allowedKinds(readable: readonly string[] | undefined, asked: readonly string[] | undefined): readonly string[] | undefined {
  return readable === undefined || asked === undefined ? (readable ?? asked) : asked.filter((kind) => readable.includes(kind));
}

interface StartKindBody extends z.output<z.ZodObject<typeof StartFields>> {
  readonly kind: string;
  readonly input: Record<string, unknown>;
}

function startSchema(kinds: Kinds): z.ZodType<StartKindBody> {
  const options = Object.values(kinds).map((kind) => optionFor(kind));
  const [first, ...rest] = options;
  if (first === undefined) throw new Error('there must be one kind at least');
  return z.discriminatedUnion('kind', [first, ...rest]).meta({ id: 'StartOperation' });
}

function optionFor(kind: Kind) {
  return z
    .strictObject({ kind: z.literal(kind.name), input: inputOf(kind), ...StartFields })
    .meta({ id: `Start_${kind.name}`, title: kind.title });
}
