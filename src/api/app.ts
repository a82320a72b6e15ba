import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Feature } from '../contracts/features.ts';
import { apiKeyRoutes } from './api-keys.ts';
import { eventRoutes } from './events.ts';
import type { AcceptWork, ApiContext, FeatureApi, PrepareInput } from './lib/context.ts';
import { mountDocs } from './lib/docs.ts';
import { mountRoutes } from './lib/mount.ts';
import { observeRequests } from './lib/observe.ts';
import { describeRoutes } from './lib/openapi.ts';
import { HttpProblem, answerProblem } from './lib/problems.ts';
import { operationRoutes } from './operations/index.ts';
import { sessionRoutes } from './sessions.ts';
import { systemRoutes } from './system.ts';
import { tenantRoutes } from './tenants.ts';
import { tokenRoutes } from './tokens.ts';
import { userRoutes } from './users.ts';

const HSTS_MAX_AGE_SECONDS = 31_536_000;

interface FeatureRoutes {
  /** What the feature's paths begin with, known without loading it. */
  readonly prefixes: readonly string[];
  readonly load: () => Promise<FeatureApi>;
}

/** Loaded only when it is on. */
const FEATURE_ROUTES: Readonly<Record<Feature, FeatureRoutes>> = {
  email: {
    prefixes: ['/v1/emails', '/v1/email-templates', '/v1/suppressions', '/unsubscribe'],
    load: async () => (await import('./email/index.ts')).emailApi,
  },
  checkout: {
    prefixes: ['/v1/products', '/v1/carts', '/v1/orders', '/v1/ledger', '/hooks/stripe', '/shop'],
    load: async () => (await import('./checkout/index.ts')).checkoutApi,
  },
  files: {
    prefixes: ['/v1/files', '/v1/uploads', '/f'],
    load: async () => (await import('./files/index.ts')).filesApi,
  },
};

/** The whole HTTP side of the product; listens to nothing by itself. */
export async function createApp(base: ApiContext): Promise<Express> {
  const features = await loadFeatures(base);
  const ctx: ApiContext = { ...base, prepare: preparationsOf(base, features), accept: acceptancesOf(base, features) };
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.set('trust proxy', false);
  app.set('case sensitive routing', true);
  app.use(observeRequests(ctx));
  app.use(
    helmet({
      contentSecurityPolicy: API_POLICY,
      strictTransportSecurity: ctx.http.publicUrl.startsWith('https:') && { maxAge: HSTS_MAX_AGE_SECONDS },
    }),
  );
  if (ctx.http.corsOrigins.length > 0) app.use(corsOf(ctx.http.corsOrigins));
  const routes = [
    ...features.flatMap((feature) => feature.routes(ctx)),
    ...operationRoutes(ctx),
    ...eventRoutes(ctx),
    ...userRoutes(ctx),
    ...apiKeyRoutes(ctx),
    ...tokenRoutes(ctx),
    ...sessionRoutes(ctx),
    ...tenantRoutes(ctx),
    ...systemRoutes(ctx),
  ];
  mountRoutes(app, ctx, routes);
  mountDocs(app, describeRoutes(ctx, routes));
  for (const feature of features) feature.mountPages?.(app, ctx);
  app.use((request: Request) => {
    throw missing(ctx, request.path);
  });
  // oxlint-disable-next-line max-params -- Express knows an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => answerProblem(ctx, error, { request, response }));
  return app;
}

/** Answers of the API are data: nothing may load or run from them. */
const API_POLICY = { useDefaults: false, directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] } };

async function loadFeatures(ctx: ApiContext): Promise<FeatureApi[]> {
  const on = Object.entries(FEATURE_ROUTES).filter(([feature]) => ctx.features.includes(feature));
  return Promise.all(on.map(([, feature]) => feature.load()));
}

function preparationsOf(ctx: ApiContext, features: readonly FeatureApi[]): Readonly<Record<string, PrepareInput>> {
  const all = features.flatMap(({ prepare = {} }) => Object.entries(prepare));
  return Object.fromEntries(all.map(([kind, create]) => [kind, create(ctx)]));
}

function acceptancesOf(ctx: ApiContext, features: readonly FeatureApi[]): Readonly<Record<string, AcceptWork>> {
  const all = features.flatMap(({ accept = {} }) => Object.entries(accept));
  return Object.fromEntries(all.map(([kind, create]) => [kind, create(ctx)]));
}

function missing(ctx: ApiContext, path: string): HttpProblem {
  const feature = Object.entries(FEATURE_ROUTES).find(([, { prefixes }]) =>
    prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
  )?.[0];
  if (feature === undefined || ctx.features.includes(feature)) return new HttpProblem('route_not_found');
  return new HttpProblem('feature_off', `This route belongs to the feature ${feature}, which is switched off on this server.`);
}

/** Answers preflights. Other requests with OPTIONS ask what a route can, and go on to it. */
function corsOf(origins: readonly string[]): express.RequestHandler {
  const [preflight, headersOnly] = [cors(corsOptions(origins)), cors({ ...corsOptions(origins), preflightContinue: true })];
  return (request, response, next) =>
    (request.headers['access-control-request-method'] === undefined ? headersOnly : preflight)(request, response, next);
}

function corsOptions(origins: readonly string[]): cors.CorsOptions {
  return {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-None-Match',
      'If-Range',
      'Last-Event-ID',
      'Nightshift-Tenant',
      'Prefer',
      'Range',
      'Tus-Resumable',
      'Upload-Checksum',
      'Upload-Defer-Length',
      'Upload-Length',
      'Upload-Metadata',
      'Upload-Offset',
      'X-HTTP-Method-Override',
      'X-Request-Id',
    ],
    exposedHeaders: [
      'Accept-Ranges',
      'Content-Disposition',
      'Content-Range',
      'ETag',
      'Idempotency-Replayed',
      'Location',
      'Preference-Applied',
      'RateLimit',
      'RateLimit-Policy',
      'Retry-After',
      'Tus-Checksum-Algorithm',
      'Tus-Extension',
      'Tus-Max-Size',
      'Tus-Resumable',
      'Tus-Version',
      'Upload-Defer-Length',
      'Upload-Expires',
      'Upload-Length',
      'Upload-Metadata',
      'Upload-Offset',
      'X-Request-Id',
    ],
    maxAge: 600,
  };
}
