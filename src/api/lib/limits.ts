import type { Request, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import type { ApiContext } from './context.ts';
import { HttpProblem } from './problems.ts';
import type { Caller } from './route.ts';

const WINDOW_MS = 60_000;
/** What an address without a key may do, as a part of what a key may do. */
const ANONYMOUS_SHARE = 10;

/** Requests a minute, counted by key, and by address where there is no valid key, over all processes. Sets the `RateLimit` headers. */
export function createLimiter({ http, store, clock }: ApiContext): (request: Request, response: Response) => Promise<void> {
  const limiter = rateLimit({
    windowMs: WINDOW_MS,
    limit: (_request, response) =>
      callerKept(response) === undefined ? Math.ceil(http.rateLimitPerMinute / ANONYMOUS_SHARE) : http.rateLimitPerMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'requests',
    store: {
      increment: (bucket) => {
        const { hits, endsAt } = store.system.rates.hit(bucket, clock());
        return { totalHits: hits, resetTime: endsAt };
      },
      // A request that was counted stays counted.
      decrement: () => undefined,
      resetKey: () => undefined,
    },
    // Proxies are never trusted, so there is nothing of theirs to check.
    validate: false,
    keyGenerator: (request, response) => {
      const caller = callerKept(response);
      return caller === undefined ? `ip:${ipKeyGenerator(request.ip ?? '')}` : `key:${caller.keyId}`;
    },
    handler: (_request, response, next) => {
      const retryAfter = String(response.getHeader('Retry-After') ?? WINDOW_MS / 1000);
      next(
        new HttpProblem('rate_limited', `All requests of this minute are used up. Try again in ${retryAfter} s.`, {
          headers: { 'Retry-After': retryAfter },
        }),
      );
    },
  });
  return async (request, response) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    await limiter(request, response, (fault?: unknown) => (fault === undefined ? resolve() : reject(fault)));
    return promise;
  };
}

/** Keeps who asked for what runs later in the same request: the limiter and the log. */
export function keepCaller(response: Response, caller: (Caller & { readonly tenantId?: string }) | undefined): void {
  response.locals['caller'] = caller;
}

/** Who asked, once that is known. */
export function callerKept(response: Response): (Caller & { readonly tenantId?: string }) | undefined {
  // Only keepCaller writes this.
  return response.locals['caller'] as (Caller & { readonly tenantId?: string }) | undefined;
}
