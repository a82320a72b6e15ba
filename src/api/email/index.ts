import type { ApiContext } from '../lib/context.ts';
import type { Route } from '../lib/route.ts';
import { mailRoutes } from './mails.ts';
import { suppressionRoutes } from './suppressions.ts';
import { unsubscribeRoutes } from './unsubscribe.ts';

export function emailRoutes(ctx: ApiContext): Route[] {
  return [...mailRoutes(ctx), ...suppressionRoutes(ctx), ...unsubscribeRoutes(ctx)];
}
