import { NewSuppression, Suppression, SuppressionPage, SuppressionQuery } from '../../contracts/email-suppressions.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { SuppressionRow } from '../../store/email.ts';
import type { ApiContext } from '../lib/context.ts';
import { readTimeCursor, timePage } from '../lib/pages.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, tenantRoute } from '../lib/route.ts';

const TAG = 'E-mail';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const { scopes } = KINDS.email;

const EXAMPLE: Suppression = {
  id: '019ab6a0-7c00-7000-8000-000000000002',
  object: 'suppression',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  address: 'ada@example.com',
  scope: 'bulk',
  reason: 'unsubscribed',
};

/** Who gets no mail. */
export function suppressionRoutes(ctx: ApiContext): Route[] {
  return [listRoute(ctx), createRoute(ctx), removeRoute(ctx)];
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    method: 'get',
    path: '/v1/suppressions',
    operationId: 'listSuppressions',
    summary: 'List suppressions',
    description: 'Newest first, with those that have expired.',
    tag: TAG,
    feature: 'email',
    query: SuppressionQuery,
    responses: {
      200: { description: 'One page.', schema: SuppressionPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
    },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor, address } }) {
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, UUID) };
      const rows = await ctx.store.email.listSuppressions(auth.tenantId, page, address);
      return { status: 200, body: timePage(rows, limit, presentSuppression) };
    },
  });
}

function createRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.start], {
    method: 'post',
    path: '/v1/suppressions',
    operationId: 'createSuppression',
    summary: 'Send somebody no more mail',
    description:
      'Holds from the answer on, also for mails that were accepted before. One for each address and scope: a second request replaces ' +
      'reason and end of the first.',
    tag: TAG,
    feature: 'email',
    body: NewSuppression,
    bodyExample: { address: 'ada@example.com', scope: 'bulk', reason: 'unsubscribed' },
    responses: {
      200: { description: 'Replaced.', schema: Suppression, example: EXAMPLE },
      201: { description: 'Made.', schema: Suppression, example: EXAMPLE },
    },
    async handler({ auth, body, now }) {
      const { created, suppression } = await ctx.store.email.suppress({
        tenantId: auth.tenantId,
        address: body.address,
        scope: body.scope ?? 'all',
        reason: body.reason ?? 'manual',
        expiresAt: expiryOf(body.expiresAt, now),
        actor: auth.actor,
        now,
      });
      return { status: created ? 201 : 200, body: presentSuppression(suppression) };
    },
  });
}

function removeRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.start], {
    method: 'delete',
    path: '/v1/suppressions/{id}',
    operationId: 'removeSuppression',
    summary: 'Send somebody mail again',
    description: 'New mails reach the address again. What was not sent meanwhile is sent when its operation is retried.',
    tag: TAG,
    feature: 'email',
    params: UuidParams,
    responses: { 204: { description: 'Removed.' } },
    problems: ['not_found'],
    async handler({ auth, params, now }) {
      const removed = await ctx.store.email.removeSuppression({ tenantId: auth.tenantId, id: params.id, actor: auth.actor, now });
      if (!removed) throw new HttpProblem('not_found');
      return { status: 204 };
    },
  });
}

function expiryOf(text: string | undefined, now: Date): Date | undefined {
  if (text === undefined) return undefined;
  const expiresAt = new Date(text);
  if (expiresAt > now) return expiresAt;
  const message = 'must be in the future';
  throw new HttpProblem('invalid_request', `/expiresAt ${message}.`, { errors: [{ pointer: '/expiresAt', message }] });
}

function presentSuppression(row: SuppressionRow): Suppression {
  return {
    id: row.id,
    object: 'suppression',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    address: row.address,
    scope: row.scope,
    reason: row.reason,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at.toISOString() }),
  };
}
