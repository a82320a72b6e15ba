import type { Request } from 'express';
import { coversScope } from '../../contracts/api-keys.ts';
import type { ApiKeyRow } from '../../store/system/api-keys.ts';
import type { ApiContext } from './context.ts';
import { HttpProblem } from './problems.ts';
import type { Caller, Route, TenantCaller } from './route.ts';
import { readSessionCookie } from './session-cookie.ts';

const TENANT_HEADER = 'nightshift-tenant';
export const TOKEN_PARAMETER = 'access_token';
/** As long as the key look-up: a closed tenant is seen as soon as a revoked key. */
const TENANT_CACHE_MS = 500;
const TENANT_CACHE_MAX = 1000;

/** All that is wrong with a key has one answer, so that nobody learns which keys exist. */
const DETAILS = {
  missing: 'The request has no `Authorization: Bearer ns_…` header.',
  invalid: 'The key or token of the request is malformed, unknown, revoked or expired.',
} as const;

export function createAuthenticator(ctx: ApiContext) {
  const openTenants = new Map<string, { readonly isOpen: Promise<boolean>; readonly until: number }>();

  /** Who asks; undefined when there is no key at all. */
  async function identify(request: Request, tokenInQuery: boolean): Promise<(Caller & { readonly tenantId?: string }) | undefined> {
    const header = request.headers.authorization;
    if (header !== undefined) return bearer(/^Bearer +(\S+) *$/i.exec(header)?.[1], ['key', 'platform', 'token']);
    const tokens = tokenInQuery ? queryTokens(request.url) : [];
    if (tokens.length > 0) return bearer(tokens.length === 1 ? tokens[0] : undefined, ['token']);
    const session = readSessionCookie(request, ctx.http.publicUrl);
    // Browsers send cookies unasked, so a stale one is as good as none.
    return session === undefined ? undefined : callerBehind(session, ['session']);
  }

  async function bearer(secret: string | undefined, kinds: readonly string[]): Promise<Caller & { readonly tenantId?: string }> {
    const caller = secret === undefined ? undefined : await callerBehind(secret, kinds);
    if (caller === undefined) throw unauthenticated(DETAILS.invalid);
    return caller;
  }

  /** Each kind of secret has its own way in, and works on no other. */
  async function callerBehind(secret: string, kinds: readonly string[]): Promise<(Caller & { readonly tenantId?: string }) | undefined> {
    const verdict = await ctx.store.system.apiKeys.verify(secret, ctx.clock());
    return verdict.outcome === 'valid' && kinds.includes(verdict.key.kind) ? callerOf(verdict.key) : undefined;
  }

  /** Lets the caller through to a route, as one tenant where the route is a tenant's. */
  async function admit(
    caller: (Caller & { readonly tenantId?: string }) | undefined,
    { access, tokens }: Pick<Route, 'access' | 'tokens'>,
    request: Request,
  ): Promise<Caller | TenantCaller | undefined> {
    if (access.kind === 'public') return undefined;
    if (caller === undefined) throw unauthenticated(DETAILS.missing);
    if (access.kind === 'platform') {
      if (caller.kind !== 'platform') throw new HttpProblem('platform_key_required');
      return caller;
    }
    if (caller.kind === 'token' && tokens !== true) throw new HttpProblem('key_required');
    requireScope(caller, access.scopes);
    return { ...caller, tenantId: await tenantFor(caller, request) };
  }

  async function tenantFor(caller: Caller & { readonly tenantId?: string }, request: Request): Promise<string> {
    const named = request.headers[TENANT_HEADER];
    if (caller.tenantId !== undefined) {
      if (named === undefined || named === caller.tenantId) return caller.tenantId;
      throw new HttpProblem(
        'platform_key_required',
        'The key belongs to a tenant, so it can not act for another one by `Nightshift-Tenant`.',
      );
    }
    if (typeof named !== 'string' || named === '') throw new HttpProblem('tenant_required');
    if (!(await isOpen(named))) throw new HttpProblem('not_found', 'There is no tenant with the id in `Nightshift-Tenant`.');
    return named;
  }

  function isOpen(tenantId: string): Promise<boolean> {
    const at = performance.now();
    const cached = openTenants.get(tenantId);
    if (cached !== undefined && cached.until > at) return cached.isOpen;
    const answer = ctx.store.tenants.get(tenantId).then((tenant) => tenant !== undefined);
    if (openTenants.size >= TENANT_CACHE_MAX) openTenants.clear();
    openTenants.set(tenantId, { isOpen: answer, until: at + TENANT_CACHE_MS });
    answer.catch(() => openTenants.delete(tenantId));
    return answer;
  }

  return { identify, admit };
}

/** @throws {HttpProblem} unless the caller has one of the scopes */
export function requireScope(caller: Caller, scopes: readonly string[]): void {
  if (scopes.some((scope) => coversScope(caller.scopes, scope))) return;
  throw new HttpProblem('insufficient_scope', `The key has none of the scopes that allow this: ${scopes.join(', ')}.`, {
    headers: { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"` },
  });
}

/** Undefined for a link, which is good for opening a session and nothing else. */
function callerOf(row: ApiKeyRow): (Caller & { readonly tenantId?: string }) | undefined {
  if (row.kind === 'session_link') return undefined;
  const caller = {
    keyId: row.id,
    kind: row.kind,
    scopes: row.scopes,
    subject: row.subject ?? undefined,
    resources: row.resources ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    actor: {
      actor: row.kind === 'token' ? `subject:${row.subject}` : `${row.kind === 'session' ? 'session' : 'key'}:${row.id}`,
      keyId: row.id,
    },
  };
  return row.tenant_id === null ? caller : { ...caller, tenantId: row.tenant_id };
}

/** What the query holds as tokens, however odd. */
function queryTokens(url: string): readonly string[] {
  const start = url.indexOf('?');
  return start < 0 ? [] : new URLSearchParams(url.slice(start)).getAll(TOKEN_PARAMETER);
}

function unauthenticated(detail: string): HttpProblem {
  return new HttpProblem('unauthenticated', detail, { headers: { 'WWW-Authenticate': 'Bearer realm="nightshift"' } });
}
