import * as z from 'zod';
import { API_KEY_ID, ApiKey, ApiKeyPage, ApiKeyParams, NewApiKey } from '../contracts/api-keys.ts';
import { KeyPageQuery } from '../contracts/routes.ts';
import type { ApiKeyRow } from '../store/system/api-keys.ts';
import type { ApiContext } from './lib/context.ts';
import { readTimeCursor, timePage } from './lib/pages.ts';
import { HttpProblem } from './lib/problems.ts';
import { type Route, tenantRoute } from './lib/route.ts';
import { checkScopes, keyScopes } from './lib/scopes.ts';

const TAG = 'API keys';

const EXAMPLE_KEY: ApiKey = {
  id: 'k3v9x2ab',
  object: 'apiKey',
  createdAt: '2026-11-24T22:00:00.000Z',
  name: 'web shop',
  scopes: ['email:write', 'operations:read'],
};
const EXAMPLE_SECRET = 'ns_k3v9x2ab_mJ2u0mXv8a3pQ5r7t9w1y3A5C7E9G1I3K5M7O9Q1S3Ue4c1d2';

/** Keys of the caller's tenant. */
export function apiKeyRoutes(ctx: ApiContext): Route[] {
  return [createRoute(ctx), listRoute(ctx), revokeRoute(ctx)];
}

function createRoute(ctx: ApiContext): Route {
  return tenantRoute(['admin'], {
    method: 'post',
    path: '/v1/api-keys',
    operationId: 'createApiKey',
    summary: 'Make an API key',
    description:
      'The whole key is in `secret` of this one answer and stored nowhere. A repeated request with the same `Idempotency-Key` answers without it.',
    tag: TAG,
    body: NewApiKey,
    bodyExample: { name: EXAMPLE_KEY.name, scopes: EXAMPLE_KEY.scopes },
    responses: {
      201: {
        description: 'Made. Keep `secret`; it is not shown again.',
        schema: ApiKey,
        example: { ...EXAMPLE_KEY, secret: EXAMPLE_SECRET },
        headers: { 'Idempotency-Replayed': '`true` when the key was made by an earlier request; then there is no `secret`.' },
      },
    },
    idempotent: true,
    async handler({ auth, body, idempotency, now }) {
      checkScopes(auth, { scopes: body.scopes, allowed: keyScopes(ctx.kinds) });
      const expiresAt = body.expiresAt === undefined ? undefined : checkExpiry(body.expiresAt, now);
      const { name, scopes } = body;
      const created = await ctx.store.apiKeys.create({
        tenantId: auth.tenantId,
        name,
        scopes,
        expiresAt,
        actor: auth.actor,
        idempotency,
        now,
      });
      if (created.outcome === 'mismatch') throw new HttpProblem('idempotency_key_reused');
      if (created.outcome === 'replayed')
        return { status: 201, body: presentKey(created.key), headers: { 'Idempotency-Replayed': 'true' } };
      return { status: 201, body: { ...presentKey(created.key), secret: created.secret } };
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(['admin'], {
    method: 'get',
    path: '/v1/api-keys',
    operationId: 'listApiKeys',
    summary: 'List API keys',
    description: 'Newest first, revoked ones too. Never with their secrets.',
    tag: TAG,
    query: z.object(KeyPageQuery),
    responses: {
      200: { description: 'One page.', schema: ApiKeyPage, example: { data: [EXAMPLE_KEY], hasMore: false, nextCursor: null } },
    },
    problems: ['invalid_cursor'],
    async handler({ auth, query }) {
      const page = { limit: query.limit + 1, cursor: readTimeCursor(query.cursor, API_KEY_ID) };
      const rows = await ctx.store.apiKeys.list(auth.tenantId, { kind: 'key' }, page);
      return { status: 200, body: timePage(rows, query.limit, presentKey) };
    },
  });
}

function revokeRoute(ctx: ApiContext): Route {
  return tenantRoute(['admin'], {
    method: 'delete',
    path: '/v1/api-keys/{id}',
    operationId: 'revokeApiKey',
    summary: 'Revoke an API key',
    description: 'It stops working within a second, also on streams that are open. It stays in the list.',
    tag: TAG,
    params: ApiKeyParams,
    responses: { 200: { description: 'Revoked.', schema: ApiKey, example: { ...EXAMPLE_KEY, revokedAt: '2026-11-25T08:00:00.000Z' } } },
    problems: ['not_found'],
    async handler({ auth, params, now }) {
      const key = await ctx.store.apiKeys.revoke({ tenantId: auth.tenantId, id: params.id, kind: 'key', actor: auth.actor, now });
      if (key === undefined) throw new HttpProblem('not_found');
      ctx.store.system.apiKeys.forget(key.id);
      return { status: 200, body: presentKey(key) };
    },
  });
}

function checkExpiry(text: string, now: Date): Date {
  const expiresAt = new Date(text);
  if (expiresAt > now && expiresAt.getUTCFullYear() < 10_000) return expiresAt;
  const message = 'must be later than now';
  throw new HttpProblem('invalid_request', `/expiresAt ${message}.`, { errors: [{ pointer: '/expiresAt', message }] });
}

function presentKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    object: 'apiKey',
    createdAt: row.created_at.toISOString(),
    name: row.name,
    scopes: row.scopes,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at.toISOString() }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at.toISOString() }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at.toISOString() }),
  };
}
