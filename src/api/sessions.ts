import * as z from 'zod';
import type { Request, Response } from 'express';
import { API_KEY_ID } from '../contracts/api-keys.ts';
import { KeyPageQuery } from '../contracts/routes.ts';
import { Session, SessionLink, SessionPage, SessionParams } from '../contracts/tokens.ts';
import type { RevokeKeyRequest } from '../store/api-keys.ts';
import type { ApiKeyRow } from '../store/system/api-keys.ts';
import type { ApiContext } from './lib/context.ts';
import { sendPage } from './lib/html.ts';
import { readTimeCursor, timePage } from './lib/pages.ts';
import { HttpProblem } from './lib/problems.ts';
import { type Route, publicRoute, tenantRoute } from './lib/route.ts';
import { isLoopback, ownOrigin, readSessionCookie, writeSessionCookie } from './lib/session-cookie.ts';

const TAG = 'Sessions';
const LINK_TTL_MS = 10 * 60_000;
const SESSION_TTL_SECONDS = 12 * 3600;
const FIRST_PAGE = '/docs';

const EXAMPLE: Session = {
  id: 'c5n7q3ab',
  object: 'session',
  createdAt: '2026-11-24T22:00:00.000Z',
  expiresAt: '2026-11-25T10:00:00.000Z',
  scopes: ['*'],
  keyId: 'k3v9x2ab',
};

const LinkParams = z.object({ code: z.string().min(1).max(100).meta({ example: 'nl_s4m8x2ab_…' }) });

/** How a person at this machine gets into our own pages without pasting a key. */
export function sessionRoutes(ctx: ApiContext): Route[] {
  return [createLinkRoute(ctx), redeemRoute(ctx), listRoute(ctx), revokeRoute(ctx), signOutRoute(ctx)];
}

function createLinkRoute(ctx: ApiContext): Route {
  return tenantRoute(['sessions:write'], {
    method: 'post',
    path: '/v1/sessions',
    operationId: 'createSessionLink',
    summary: 'Make a link into our own pages',
    description:
      'On the machine of the server only. Whoever opens the link first, within ten minutes, gets a session with the rights of the key: a cookie for twelve hours. `npm start` prints such a link.',
    tag: TAG,
    responses: {
      201: {
        description: 'Made.',
        schema: SessionLink,
        example: {
          id: 's4m8x2ab',
          object: 'sessionLink',
          createdAt: '2026-11-24T22:00:00.000Z',
          expiresAt: '2026-11-24T22:10:00.000Z',
          link: 'http://127.0.0.1:7460/session/nl_s4m8x2ab_mJ2u0mXv8a3pQ5r7t9w1y3A5C7E9G1I3K5M7O9Q1S3Ue4c1d2',
        },
      },
    },
    problems: ['loopback_only'],
    async handler({ auth, now, peerAddress, host }) {
      const origin = ownOrigin(host, ctx.http.publicUrl);
      if (!isLoopback(peerAddress) || origin === undefined) throw new HttpProblem('loopback_only');
      if (auth.kind === 'session') throw new HttpProblem('key_required', 'A session opens no other session.');
      const latest = new Date(now.getTime() + LINK_TTL_MS);
      const expiresAt = auth.expiresAt !== undefined && auth.expiresAt < latest ? auth.expiresAt : latest;
      const created = await ctx.store.apiKeys.create({
        ...{ tenantId: auth.tenantId, kind: 'session_link', name: 'session link', scopes: auth.scopes },
        ...{ expiresAt, madeBy: auth.keyId, actor: auth.actor, now },
      });
      if (created.outcome !== 'created') throw new Error('without an idempotency key there is nothing to repeat');
      const { id, created_at: createdAt } = created.key;
      const link = `${origin}/session/${created.secret}`;
      const body: SessionLink = {
        id,
        object: 'sessionLink',
        createdAt: createdAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
        link,
      };
      return { status: 201, body };
    },
  });
}

function redeemRoute(ctx: ApiContext): Route {
  return publicRoute({
    method: 'get',
    path: '/session/{code}',
    operationId: 'openSession',
    summary: 'Open a session in a browser',
    description: 'Sets the cookie and goes on to our pages. Works once, on the machine of the server.',
    tag: TAG,
    params: LinkParams,
    responses: {
      204: { description: 'To a HEAD, or to a browser that loads ahead: the link is still good.' },
      303: { description: 'Go on to our pages.', headers: { 'Set-Cookie': 'The session.', Location: 'Our pages.' } },
      404: {
        description: 'The link was used before, is too old, or never was one.',
        schema: z.string(),
        contentType: 'text/html',
        example: '…',
      },
    },
    handler: ({ params, now }) => ({ send: (exchange) => redeem(ctx, { ...exchange, code: params.code, now }) }),
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(['sessions:write'], {
    method: 'get',
    path: '/v1/sessions',
    operationId: 'listSessions',
    summary: 'List sessions',
    description: 'Who is or was signed in to our own pages: newest first, with those that have ended.',
    tag: TAG,
    query: z.object(KeyPageQuery),
    responses: {
      200: { description: 'One page.', schema: SessionPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
    },
    problems: ['invalid_cursor'],
    async handler({ auth, query: { limit, cursor } }) {
      const page = { limit: limit + 1, cursor: readTimeCursor(cursor, API_KEY_ID) };
      const rows = await ctx.store.apiKeys.list(auth.tenantId, { kind: 'session' }, page);
      return { status: 200, body: timePage(rows, limit, presentSession) };
    },
  });
}

function revokeRoute(ctx: ApiContext): Route {
  return tenantRoute(['sessions:write'], {
    method: 'delete',
    path: '/v1/sessions/{id}',
    operationId: 'revokeSession',
    summary: 'End a session',
    description: 'Within a second its cookie is worth nothing, and streams that it opened end.',
    tag: TAG,
    params: SessionParams,
    responses: { 200: { description: 'Ended.', schema: Session, example: { ...EXAMPLE, revokedAt: '2026-11-24T23:00:00.000Z' } } },
    problems: ['not_found'],
    async handler({ auth, params, now }) {
      const session = await endSession(ctx, { tenantId: auth.tenantId, id: params.id, actor: auth.actor, now });
      if (session === undefined) throw new HttpProblem('not_found');
      return { status: 200, body: presentSession(session) };
    },
  });
}

function signOutRoute(ctx: ApiContext): Route {
  return publicRoute({
    method: 'delete',
    path: '/session',
    operationId: 'signOut',
    summary: 'Sign out',
    description: 'Ends the session of the cookie that comes along, from our own pages only, and takes the cookie away.',
    tag: TAG,
    responses: { 204: { description: 'There is no session any more.', headers: { 'Set-Cookie': 'An empty one.' } } },
    handler: ({ now }) => ({ send: (exchange) => signOut(ctx, { ...exchange, now }) }),
  });
}

async function signOut(ctx: ApiContext, { request, response, now }: Omit<Redemption, 'code'>): Promise<void> {
  // Undefined, too, when somebody else's page asks: it must not sign anybody out.
  const secret = readSessionCookie(request, ctx.http.publicUrl);
  const origin = ownOrigin(request.headers.host, ctx.http.publicUrl);
  const verdict = secret === undefined ? undefined : await ctx.store.system.apiKeys.verify(secret, now);
  if (verdict?.outcome === 'valid' && verdict.key.kind === 'session' && verdict.key.tenant_id !== null) {
    const { id, tenant_id: tenantId } = verdict.key;
    await endSession(ctx, { tenantId, id, actor: { actor: `session:${id}`, keyId: id }, now });
  }
  if (secret !== undefined && origin !== undefined) response.setHeader('Set-Cookie', writeSessionCookie(origin, '', 0));
  response.writeHead(204).end();
}

async function endSession(ctx: ApiContext, ending: Omit<RevokeKeyRequest, 'kind'>): Promise<ApiKeyRow | undefined> {
  const session = await ctx.store.apiKeys.revoke({ ...ending, kind: 'session' });
  if (session !== undefined) ctx.store.system.apiKeys.forget(session.id);
  return session;
}

function presentSession(row: ApiKeyRow): Session {
  return {
    id: row.id,
    object: 'session',
    createdAt: row.created_at.toISOString(),
    // The database has no session without an end.
    expiresAt: (row.expires_at ?? row.created_at).toISOString(),
    scopes: row.scopes,
    ...(row.made_by === null ? {} : { keyId: row.made_by }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at.toISOString() }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at.toISOString() }),
  };
}

interface Redemption {
  readonly request: Request;
  readonly response: Response;
  readonly code: string;
  readonly now: Date;
}

async function redeem(ctx: ApiContext, { request, response, code, now }: Redemption): Promise<void> {
  // Whoever looks without opening must not use the link up: link checkers ask for heads, browsers load ahead.
  if (request.method === 'HEAD' || request.headers['sec-purpose'] !== undefined) return void response.writeHead(204).end();
  const origin = ownOrigin(request.headers.host, ctx.http.publicUrl);
  const isOurs = isLoopback(request.socket.remoteAddress) && origin !== undefined;
  const secret = isOurs ? await startSession(ctx, code, now) : undefined;
  if (secret === undefined || origin === undefined) return sendUsedUp(response);
  response.statusCode = 303;
  response.setHeader('Set-Cookie', writeSessionCookie(origin, secret, SESSION_TTL_SECONDS));
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Location', FIRST_PAGE);
  response.end();
}

async function startSession(ctx: ApiContext, code: string, now: Date): Promise<string | undefined> {
  const verdict = await ctx.store.system.apiKeys.verify(code, now);
  if (verdict.outcome !== 'valid' || verdict.key.kind !== 'session_link' || verdict.key.tenant_id === null) return undefined;
  const link = { ...verdict.key, tenant_id: verdict.key.tenant_id };
  const session = await ctx.store.apiKeys.redeemLink({ link, expiresAt: new Date(now.getTime() + SESSION_TTL_SECONDS * 1000), now });
  ctx.store.system.apiKeys.forget(link.id);
  return session?.secret;
}

function sendUsedUp(response: Response): void {
  sendPage(response, {
    title: 'This link does not work',
    head: '<link rel="stylesheet" href="/docs/style.css">',
    body: '<h1>This link does not work (any more)</h1><p>It works once, for ten minutes, on the machine of the server. The next <code>npm start</code> prints a new one.</p>',
    status: 404,
  });
}
