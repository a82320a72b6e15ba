import { API_KEY_ID } from '../contracts/api-keys.ts';
import { parseDuration } from '../contracts/duration.ts';
import { NewToken, Token, TokenPage, TokenParams, TokenQuery } from '../contracts/tokens.ts';
import type { ApiKeyRow } from '../store/system/api-keys.ts';
import type { ApiContext } from './lib/context.ts';
import { readTimeCursor, timePage } from './lib/pages.ts';
import { HttpProblem } from './lib/problems.ts';
import { type Route, type TenantCaller, tenantRoute } from './lib/route.ts';
import { checkScopes, tokenScopes } from './lib/scopes.ts';

const TAG = 'Tokens';

const EXAMPLE: Token = {
  id: 't7w2x9ab',
  object: 'token',
  createdAt: '2026-11-24T22:00:00.000Z',
  subject: 'u_42',
  scopes: ['email:read'],
  expiresAt: '2026-11-24T22:15:00.000Z',
};
const EXAMPLE_SECRET = 'nt_t7w2x9ab_mJ2u0mXv8a3pQ5r7t9w1y3A5C7E9G1I3K5M7O9Q1S3Ue4c1d2';

/** Short-lived rights for browsers and end users, each for one subject. */
export function tokenRoutes(ctx: ApiContext): Route[] {
  return [createRoute(ctx), listRoute(ctx), revokeRoute(ctx)];
}

function createRoute(ctx: ApiContext): Route {
  return tenantRoute(['tokens:write'], {
    method: 'post',
    path: '/v1/tokens',
    operationId: 'createToken',
    summary: 'Make a token for an end user',
    description: [
      'It goes to a browser, and reaches only work with its subject as `ownerSubject`. Send it as `Authorization: Bearer nt_…`;',
      'streams take it as the query parameter `access_token` too. The whole token is in `secret` of this one answer and stored nowhere.',
    ].join(' '),
    tag: TAG,
    body: NewToken,
    bodyExample: { subject: EXAMPLE.subject, scopes: EXAMPLE.scopes, ttl: '15m' },
    responses: {
      201: {
        description: 'Made. `secret` is not shown again.',
        schema: Token,
        example: { ...EXAMPLE, secret: EXAMPLE_SECRET },
        headers: { 'Idempotency-Replayed': '`true` when the token was made by an earlier request; then there is no `secret`.' },
      },
    },
    idempotent: true,
    async handler({ auth, body, idempotency, now }) {
      const { subject, scopes, resources } = body;
      checkScopes(auth, { scopes, allowed: tokenScopes(ctx.kinds) });
      const created = await ctx.store.apiKeys.create({
        ...{ tenantId: auth.tenantId, kind: 'token', name: 'token', subject, scopes, resources },
        ...{ expiresAt: expiryOf(auth, body.ttl, now), madeBy: auth.keyId, actor: auth.actor, idempotency, now },
      });
      if (created.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
      if (created.outcome === 'replayed')
        return { status: 201, body: presentToken(created.key), headers: { 'Idempotency-Replayed': 'true' } };
      return { status: 201, body: { ...presentToken(created.key), secret: created.secret } };
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(['tokens:write'], {
    method: 'get',
    path: '/v1/tokens',
    operationId: 'listTokens',
    summary: 'List tokens',
    description: 'Newest first, with those that were revoked or have expired. Never with their secrets.',
    tag: TAG,
    query: TokenQuery,
    responses: {
      200: { description: 'One page.', schema: TokenPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
    },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor, subject } }) {
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, API_KEY_ID) };
      const rows = await ctx.store.apiKeys.list(auth.tenantId, { kind: 'token', subject }, page);
      return { status: 200, body: timePage(rows, limit, presentToken) };
    },
  });
}

function revokeRoute(ctx: ApiContext): Route {
  return tenantRoute(['tokens:write'], {
    method: 'delete',
    path: '/v1/tokens/{id}',
    operationId: 'revokeToken',
    summary: 'Revoke a token',
    description: 'It stops working within a second, also on streams that are open.',
    tag: TAG,
    params: TokenParams,
    responses: { 200: { description: 'Revoked.', schema: Token, example: { ...EXAMPLE, revokedAt: '2026-11-24T22:05:00.000Z' } } },
    problems: ['not_found'],
    async handler({ auth, params, now }) {
      const token = await ctx.store.apiKeys.revoke({ tenantId: auth.tenantId, id: params.id, kind: 'token', actor: auth.actor, now });
      if (token === undefined) throw new HttpProblem('not_found');
      ctx.store.system.apiKeys.forget(token.id);
      return { status: 200, body: presentToken(token) };
    },
  });
}

/** A token never outlives the key that made it. */
function expiryOf(maker: TenantCaller, ttl: string, now: Date): Date {
  const expiresAt = new Date(now.getTime() + (parseDuration(ttl) ?? 0));
  return maker.expiresAt !== undefined && maker.expiresAt < expiresAt ? maker.expiresAt : expiresAt;
}

function presentToken(row: ApiKeyRow): Token {
  return {
    id: row.id,
    object: 'token',
    createdAt: row.created_at.toISOString(),
    subject: row.subject ?? '',
    scopes: row.scopes,
    ...(row.resources === null ? {} : { resources: row.resources }),
    // The database has no token without an end.
    expiresAt: (row.expires_at ?? row.created_at).toISOString(),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at.toISOString() }),
  };
}
