import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { Counter, Histogram } from 'prom-client';
import type { ApiContext } from './context.ts';
import { callerKept } from './limits.ts';

const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const DURATION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30];

/** Gives each request its id, and writes one log line and one measurement when it is over. No path, query or body: they may be personal. */
export function observeRequests({ registry, log }: ApiContext): RequestHandler {
  const labelNames = ['route', 'method', 'status'] as const;
  const requests = new Counter({
    name: 'nightshift_http_requests_total',
    help: 'Requests by route and class of status.',
    labelNames,
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'nightshift_http_request_duration_seconds',
    help: 'Time until the answer was written; streams count until they end.',
    labelNames,
    buckets: DURATION_BUCKETS_SECONDS,
    registers: [registry],
  });

  // Every field of its line is named below, so nothing has to be looked for to be redacted; that took as long as writing the line.
  const lines = log.child({}, { redact: [] });

  return (request: Request, response: Response, next: NextFunction): void => {
    const startedAt = performance.now();
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : randomUUID();
    response.setHeader('X-Request-Id', requestId);
    response.once('close', () => {
      const durationMs = performance.now() - startedAt;
      const route = routeKept(response);
      const labels = { route, method: knownMethod(request.method), status: `${Math.floor(response.statusCode / 100)}xx` };
      requests.inc(labels);
      durations.observe(labels, durationMs / 1000);
      const caller = callerKept(response);
      const line = { route, method: labels.method, status: response.statusCode, durationMs: Math.round(durationMs * 10) / 10 };
      const level = response.statusCode >= 500 ? 'error' : 'info';
      lines[level](
        { ...line, tenantId: caller?.tenantId, keyId: caller?.keyId, requestId, aborted: !response.writableFinished },
        'request',
      );
    });
    next();
  };
}

/** The template of the route that answers, for log and metrics. */
export function keepRoute(response: Response, template: string): void {
  response.locals['route'] = template;
}

function routeKept(response: Response): string {
  const route: unknown = response.locals['route'];
  return typeof route === 'string' ? route : 'none';
}

/** Made-up methods must not make up time series. */
function knownMethod(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'other';
}
