import * as z from 'zod';
import type { ApiContext } from './lib/context.ts';
import { type Route, publicRoute } from './lib/route.ts';

const TAG = 'Server';

const Live = z.object({ status: z.literal('live') }).meta({ id: 'Live' });
const Ready = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.string().optional() })),
  })
  .meta({ id: 'Ready' });
const Version = z.object({ name: z.literal('nightshift'), version: z.string(), features: z.array(z.string()) }).meta({ id: 'Version' });

/** Whether the server lives, is ready, and what it is. */
export function systemRoutes(ctx: ApiContext): Route[] {
  return [liveRoute(), readyRoute(ctx), versionRoute(ctx)];
}

function liveRoute(): Route {
  return publicRoute({
    method: 'get',
    path: '/livez',
    operationId: 'isLive',
    summary: 'Does the process live?',
    description: 'Asks nothing outside the process: restart it when there is no answer.',
    tag: TAG,
    responses: { 200: { description: 'It lives.', schema: Live, example: { status: 'live' } } },
    handler: () => ({ status: 200, body: { status: 'live' } }),
  });
}

function readyRoute(ctx: ApiContext): Route {
  const ready = {
    status: 'ready',
    checks: {
      database: { ok: true },
      core: { ok: true },
      mail: { ok: false, detail: 'warming: no worker asks for its work yet; it waits.' },
    },
  };
  const notReady = { status: 'not_ready', checks: { database: { ok: false, detail: 'The database cannot be reached.' } } };
  return publicRoute({
    method: 'get',
    path: '/readyz',
    operationId: 'isReady',
    summary: 'Can it take requests?',
    description:
      'Send requests here only while the answer is 200. Each check says why not; a queue whose worker is away makes nobody wait for an answer.',
    tag: TAG,
    responses: {
      200: { description: 'Ready.', schema: Ready, example: ready },
      503: { description: 'Not ready.', schema: Ready, example: notReady },
    },
    async handler() {
      const health = await ctx.health();
      const isReady = health.ready && !ctx.shuttingDown.aborted;
      const body = { status: isReady ? 'ready' : 'not_ready', checks: health.checks };
      return { status: isReady ? 200 : 503, body, headers: isReady ? {} : { 'Retry-After': '1' } };
    },
  });
}

function versionRoute(ctx: ApiContext): Route {
  return publicRoute({
    method: 'get',
    path: '/version',
    operationId: 'getVersion',
    summary: 'What is it?',
    description: 'Version of the server and the features that are on.',
    tag: TAG,
    responses: {
      200: { description: 'The version.', schema: Version, example: { name: 'nightshift', version: '0.1.0', features: ['email'] } },
    },
    handler: () => ({ status: 200, body: { name: 'nightshift', version: ctx.version, features: ctx.features } }),
  });
}
