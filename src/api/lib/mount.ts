import type { Express, Request, Response } from 'express';
import { TOKEN_PARAMETER, createAuthenticator } from './auth.ts';
import type { ApiContext } from './context.ts';
import { readIdempotency, readWaitMs } from './headers.ts';
import { readJson, textFault } from './json.ts';
import { createLimiter, keepCaller } from './limits.ts';
import { keepRoute } from './observe.ts';
import { parsePart, parseQuery } from './parse.ts';
import { HttpProblem, requestIdOf } from './problems.ts';
import type { Caller, Idempotency, JsonReply, Reply, Route, RouteRequest } from './route.ts';

type Handle = (request: Request, response: Response, caller: Caller | undefined) => Promise<void>;

/** Mounts the table of routes. One handler a path knows its methods, so a wrong one is told which are right. */
export function mountRoutes(app: Express, ctx: ApiContext, routes: readonly Route[]): void {
  const authenticator = createAuthenticator(ctx);
  const limit = createLimiter(ctx);
  const byPath = Map.groupBy(routes, (route) => route.path);
  for (const path of [...byPath.keys()].toSorted(bySpecificity)) {
    const ofPath = byPath.get(path) ?? [];
    const isPublic = ofPath.every((route) => route.access.kind === 'public');
    const tokenInQuery = ofPath.some((route) => route.tokenInQuery === true);
    const handles = new Map(ofPath.map((route) => [route.method.toUpperCase(), createHandle(ctx, authenticator, route)]));
    const get = handles.get('GET');
    if (get !== undefined && !handles.has('HEAD')) handles.set('HEAD', get);
    const always = Object.assign({}, ...ofPath.map((route) => route.answerHeaders ?? {})) as Record<string, string>;
    const options = Object.assign({}, ...ofPath.map((route) => route.optionsHeaders ?? {})) as Record<string, string>;
    const overrides = ofPath.some((route) => route.methodOverride === true);
    const allowed = [...handles.keys(), 'OPTIONS'].join(', ');
    app.all(expressPath(path), async (request: Request, response: Response) => {
      keepRoute(response, path);
      setHeaders(response, always);
      const identity = isPublic ? {} : await authenticator.identify(request, tokenInQuery).then(asCaller, asFault);
      keepCaller(response, identity.caller);
      await limit(request, response);
      if (request.method === 'OPTIONS') {
        setHeaders(response, { ...options, Allow: allowed });
        return void response.status(204).end();
      }
      const handle = handles.get(overrides ? methodMeant(request) : request.method);
      if (handle === undefined) throw new HttpProblem('method_not_allowed', `${path} takes ${allowed}.`, { headers: { Allow: allowed } });
      if (identity.fault !== undefined) throw identity.fault;
      return handle(request, response, identity.caller);
    });
  }
}

/** By tus, for clients that can not send every method. */
function methodMeant(request: Request): string {
  const meant = request.method === 'POST' ? request.headers['x-http-method-override'] : undefined;
  return typeof meant === 'string' ? meant.toUpperCase() : request.method;
}

function setHeaders(response: Response, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

interface Identity {
  readonly caller?: Caller | undefined;
  readonly fault?: unknown;
}

function asCaller(caller: Caller | undefined): Identity {
  return { caller };
}

/** A wrong key is told only after the limiter has counted it. */
function asFault(fault: unknown): Identity {
  return { fault };
}

/** What one route does with a request: let in, check, handle, answer. */
function createHandle(ctx: ApiContext, authenticator: ReturnType<typeof createAuthenticator>, route: Route): Handle {
  const queryNames = [...Object.keys(route.query?.shape ?? {}), ...(route.tokenInQuery === true ? [TOKEN_PARAMETER] : [])];
  return async (request, response, caller) => {
    const auth = await authenticator.admit(caller, route, request);
    const params = checkParams(route, request);
    const query = parseQuery(request.url, queryNames);
    const checkedQuery = route.query === undefined ? query : parsePart(route.query, query, 'query');
    const raw = route.body === undefined ? undefined : await readJson(request, ctx.http.bodyLimitBytes);
    const body = checkBody(route, raw);
    const reply = await route.handler({
      params,
      query: checkedQuery,
      body,
      auth,
      now: ctx.clock(),
      requestId: requestIdOf(response),
      peerAddress: request.socket.remoteAddress,
      host: request.headers.host,
      gone: goneSignal(response),
      idempotency: route.idempotent === true ? ofSubject(readIdempotency(request, identityOf(route, request, raw)), auth) : undefined,
      waitMs: route.startsWork === true ? readWaitMs(request) : 0,
      ifNoneMatch: request.headers['if-none-match'],
      lastEventId: singleHeader(request, 'last-event-id'),
    } satisfies RouteRequest<unknown, unknown, unknown, Caller | undefined>);
    await answer(reply, request, response);
  };
}

/** What makes a request the same as another with its key: the body, or what says as much of one that is not read. */
function identityOf({ identifyingHeaders }: Route, request: Request, body: unknown): unknown {
  if (identifyingHeaders === undefined) return body;
  const [, query = ''] = request.url.split('?', 2);
  return { query, headers: identifyingHeaders.map((name) => request.headers[name] ?? null) };
}

/** Keys belong to the tenant, but what one end user has sent answers no other. */
function ofSubject(idempotency: Idempotency | undefined, caller: Caller | undefined): Idempotency | undefined {
  if (idempotency === undefined || caller?.kind !== 'token') return idempotency;
  return { ...idempotency, key: `subject/${caller.subject}/${idempotency.key}` };
}

function checkParams(route: Route, request: Request): unknown {
  if (route.params === undefined) return {};
  const isStorable = Object.values(request.params).every((value) => textFault(String(value)) === undefined);
  if (route.checksParams === true) {
    if (!isStorable) throw new HttpProblem('invalid_request', 'The path holds a character that is not allowed.');
    return parsePart(route.params, request.params, 'path');
  }
  // An id of the wrong form is the id of nothing.
  const result = isStorable ? route.params.safeParse(request.params) : undefined;
  if (result?.success !== true) throw new HttpProblem('not_found');
  return result.data;
}

function checkBody(route: Route, raw: unknown): unknown {
  if (route.body === undefined) return undefined;
  if (raw !== undefined) return parsePart(route.body, raw, '');
  if (route.bodyOptional === true) return parsePart(route.body, {}, '');
  throw new HttpProblem('invalid_request', 'The request has no body, but this route needs one.', {
    errors: [{ pointer: '', message: 'is required' }],
  });
}

async function answer(reply: Reply, request: Request, response: Response): Promise<void> {
  if ('send' in reply) return reply.send({ request, response });
  answerJson(reply, response);
}

function answerJson({ status, body, headers = {} }: JsonReply, response: Response): void {
  response.statusCode = status;
  response.setHeader('Cache-Control', 'no-store');
  setHeaders(response, headers);
  if (body === undefined) return void response.end();
  const text = JSON.stringify(body);
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

function goneSignal(response: Response): AbortSignal {
  const controller = new AbortController();
  // A reason of its own: making the default one, an error with its stack, costs more than the rest.
  response.once('close', () => controller.abort('gone'));
  return controller.signal;
}

function singleHeader(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function expressPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** A fixed segment goes before a parameter in the same place. */
function bySpecificity(a: string, b: string): number {
  const [left, right] = [a, b].map((path) => path.replaceAll('{', '\uFFFF'));
  return (left ?? '') < (right ?? '') ? -1 : 1;
}
