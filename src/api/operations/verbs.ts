import * as z from 'zod';
import { Instant, Operation, Reason } from '../../contracts/operation.ts';
import { MESSAGES } from '../../contracts/pure/messages.ts';
import type { ProblemCode } from '../../contracts/problems.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { OperationRow } from '../../store/operations.ts';
import type { ApiContext } from '../lib/context.ts';
import { parsePart } from '../lib/parse.ts';
import { presentOperation } from '../lib/present-operation.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type JsonReply, type ResponseSpec, type Route, tenantRoute } from '../lib/route.ts';
import {
  answerStarted,
  checkStartAt,
  exampleOperation,
  inputOf,
  prepareInput,
  requireFeature,
  requireKey,
  startedResponses,
} from '../lib/start.ts';
import { findOperation, scopesFor } from './access.ts';

const TAG = 'Operations';

const RetryBody = z
  .strictObject({
    input: z.record(z.string(), z.unknown()).optional().meta({ description: 'An edited input, whole. Without it, the first one again.' }),
    reason: Reason.shape.reason,
  })
  .meta({ id: 'RetryOperation' });

const PatchBody = z.strictObject({ startAt: Instant }).meta({ id: 'PatchOperation' });

const SignalParams = UuidParams.extend({
  name: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9]{0,63}$/)
    .meta({ example: 'retryNow' }),
});
const SignalBody = z.record(z.string(), z.unknown()).meta({ id: 'SignalPayload', description: 'As the signal of this kind takes it.' });

/** How what could not be done is told. */
const REFUSALS = {
  finished: 'operation_finished',
  not_started: 'operation_not_started',
  not_scheduled: 'operation_not_scheduled',
  not_terminal: 'operation_not_finished',
  succeeded: 'operation_succeeded',
  superseded: 'operation_superseded',
  already_done: 'already_done',
  begun_anew: 'operation_begun_anew',
  input_fixed: 'operation_input_fixed',
  mismatch: 'idempotency_key_reused',
} as const satisfies Readonly<Record<string, ProblemCode>>;

export function verbRoutes(ctx: ApiContext): Route[] {
  return [cancelRoute(ctx), retryRoute(ctx), messageRoute(ctx, 'pause'), messageRoute(ctx, 'resume'), patchRoute(ctx), signalRoute(ctx)];
}

function cancelRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'post',
    path: '/v1/operations/{id}/cancel',
    operationId: 'cancelOperation',
    summary: 'Cancel an operation',
    description:
      'Before it runs, it is cancelled at once. Later it is asked to stop; if its effect was faster, it ends as `succeeded` with `cancelRejected`.',
    tag: TAG,
    tokens: true,
    params: UuidParams,
    body: Reason,
    bodyOptional: true,
    bodyExample: { reason: 'ordered twice' },
    responses: {
      200: operationResponse('Cancelled: nothing of it happens any more.', { status: 'cancelled', phase: 'cancelled' }),
      202: operationResponse('It was asked to stop.', { status: 'cancelling', phase: 'sending' }),
    },
    problems: ['not_found', 'operation_finished'],
    async handler(request) {
      const { auth, body, now } = request;
      const row = await findOperation(ctx, request, 'start');
      const kind = ctx.kinds[row.kind];
      const verb = { tenantId: auth.tenantId, id: row.id, actor: auth.actor, reason: body.reason, now };
      const answer = found(await ctx.store.operations.requestCancel({ ...verb, kind }));
      if (answer.outcome === 'finished') throw refusal('finished', answer.operation);
      return { status: answer.outcome === 'cancelled' ? 200 : 202, body: presentOperation(answer.operation, ctx) };
    },
  });
}

function retryRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'post',
    path: '/v1/operations/{id}/retry',
    operationId: 'retryOperation',
    summary: 'Try again what did not succeed',
    description: 'Makes a new attempt with the same `rootId`. What the attempts before have done is kept and not done again.',
    tag: TAG,
    tokens: true,
    params: UuidParams,
    body: RetryBody,
    bodyOptional: true,
    bodyExample: { reason: 'the mailbox works again' },
    responses: startedResponses('email'),
    problems: [
      'not_found',
      'feature_off',
      'operation_not_finished',
      'operation_succeeded',
      'operation_superseded',
      'operation_begun_anew',
      'operation_input_fixed',
      'already_done',
      'idempotency_key_required',
    ],
    idempotent: true,
    startsWork: true,
    async handler(request) {
      const { auth, body, now, idempotency } = request;
      const row = await findOperation(ctx, request, 'start');
      const kind = ctx.kinds[row.kind];
      if (kind === undefined) throw new HttpProblem('feature_off', `This server does not know the kind ${row.kind}.`);
      requireFeature(ctx, kind);
      requireKey(kind, idempotency);
      // The parsed input of the schema that the workflow of this kind takes.
      const parsed = body.input === undefined ? undefined : (parsePart(inputOf(kind), body.input, '/input') as Record<string, unknown>);
      const input = parsed === undefined ? undefined : await prepareInput(ctx, kind, { ...request, input: parsed, inputPointer: '/input' });
      const answer = found(
        await ctx.store.operations.retry({
          tenantId: auth.tenantId,
          id: row.id,
          kind,
          input,
          actor: auth.actor,
          reason: body.reason,
          idempotency,
          now,
        }),
      );
      if (!('operation' in answer)) throw refusal(answer.outcome, row);
      return answerStarted(ctx, answer, request);
    },
  });
}

function messageRoute(ctx: ApiContext, name: 'pause' | 'resume'): Route {
  const isPause = name === 'pause';
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'post',
    path: `/v1/operations/{id}/${name}`,
    operationId: `${name}Operation`,
    summary: isPause ? 'Pause an operation' : 'Let a paused operation go on',
    description: isPause ? 'What is being done is finished; nothing new is begun until it is resumed.' : 'Goes on where it was paused.',
    tag: TAG,
    tokens: true,
    params: UuidParams,
    body: Reason,
    bodyOptional: true,
    bodyExample: { reason: 'the text has a mistake' },
    responses: { 202: operationResponse('It was told.', { status: 'running', phase: 'sending', ...(isPause ? { paused: true } : {}) }) },
    problems: ['not_found', 'operation_finished', 'operation_not_started'],
    async handler(request) {
      const row = await findOperation(ctx, request, 'start');
      return send(ctx, { ...request, row, name: MESSAGES[name], payload: {}, reason: request.body.reason });
    },
  });
}

function patchRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'patch',
    path: '/v1/operations/{id}',
    operationId: 'rescheduleOperation',
    summary: 'Move a scheduled operation',
    description: 'Changes `startAt` of an operation that waits as `scheduled`. An instant in the past starts it now.',
    tag: TAG,
    tokens: true,
    params: UuidParams,
    body: PatchBody,
    bodyExample: { startAt: '2026-11-25T08:00:00Z' },
    responses: { 200: operationResponse('Moved.', { status: 'scheduled', phase: 'scheduled', startAt: '2026-11-25T08:00:00.000Z' }) },
    problems: ['not_found', 'operation_not_scheduled'],
    async handler(request) {
      const { auth, body, now } = request;
      const row = await findOperation(ctx, request, 'start');
      const startAt = checkStartAt(body.startAt, now, row.expires_at);
      const answer = found(await ctx.store.operations.reschedule({ tenantId: auth.tenantId, id: row.id, startAt, actor: auth.actor, now }));
      if (answer.outcome === 'not_scheduled') throw refusal('not_scheduled', answer.operation);
      return { status: 200, body: presentOperation(answer.operation, ctx) };
    },
  });
}

function signalRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'start'), {
    method: 'post',
    path: '/v1/operations/{id}/signals/{name}',
    operationId: 'signalOperation',
    summary: 'Send a signal to a running operation',
    description: `Each kind understands its own: ${describeSignals(ctx)}.`,
    tag: TAG,
    tokens: true,
    params: SignalParams,
    body: SignalBody,
    bodyOptional: true,
    bodyExample: { reason: 'the mailbox works again' },
    responses: { 202: operationResponse('It was told.', { status: 'running', phase: 'sending' }) },
    problems: ['not_found', 'unknown_signal', 'operation_finished', 'operation_not_started'],
    async handler(request) {
      const { params } = request;
      const row = await findOperation(ctx, request, 'start');
      const signals = ctx.kinds[row.kind]?.signals ?? {};
      const schema = Object.hasOwn(signals, params.name) ? signals[params.name] : undefined;
      if (schema === undefined)
        throw new HttpProblem(
          'unknown_signal',
          `Operations of the kind ${row.kind} understand: ${Object.keys(signals).join(', ') || 'no signals'}.`,
        );
      // A signal's schema is of an object.
      const { reason, ...payload } = parsePart(schema, request.body, '') as Record<string, unknown>;
      return send(ctx, { ...request, row, name: params.name, payload, reason: typeof reason === 'string' ? reason : undefined });
    },
  });
}

interface Message {
  readonly auth: Parameters<typeof findOperation>[1]['auth'];
  readonly now: Date;
  readonly row: OperationRow;
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly reason: string | undefined;
}

async function send(ctx: ApiContext, { auth, now, row, name, payload, reason }: Message): Promise<JsonReply> {
  const answer = found(
    await ctx.store.operations.signal({ tenantId: auth.tenantId, id: row.id, name, payload, actor: auth.actor, reason, now }),
  );
  if (answer.outcome !== 'sent') throw refusal(answer.outcome, answer.operation);
  return { status: 202, body: presentOperation(answer.operation, ctx) };
}

function refusal(outcome: keyof typeof REFUSALS, row: OperationRow): HttpProblem {
  const code = REFUSALS[outcome];
  const headers = outcome === 'not_started' || outcome === 'not_terminal' ? { 'Retry-After': '1' } : {};
  const isAboutStatus = code.startsWith('operation_') && !['superseded', 'begun_anew', 'input_fixed'].includes(outcome);
  const detail = isAboutStatus ? `The operation is ${row.status}.` : undefined;
  return new HttpProblem(code, detail, { headers });
}

/** @throws {HttpProblem} not_found */
function found<Answer>(answer: Answer | undefined): Answer {
  if (answer === undefined) throw new HttpProblem('not_found');
  return answer;
}

function operationResponse(description: string, overrides: Partial<Operation>): ResponseSpec {
  return { description, schema: Operation, example: exampleOperation('email', overrides) };
}

function describeSignals({ kinds }: ApiContext): string {
  const withSignals = Object.values(kinds).filter((kind) => Object.keys(kind.signals).length > 0);
  return withSignals.map((kind) => `${kind.name}: ${Object.keys(kind.signals).join(', ')}`).join('; ') || 'none yet';
}
