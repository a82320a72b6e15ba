import type { ApiContext } from '../lib/context.ts';
import type { Route } from '../lib/route.ts';
import { followRoutes } from './follow.ts';
import { startAndListRoutes } from './start-and-list.ts';
import { verbRoutes } from './verbs.ts';

/** Work of every kind: starting, listing, following, and what can be asked of it. */
export function operationRoutes(ctx: ApiContext): Route[] {
  return [...startAndListRoutes(ctx), ...followRoutes(ctx), ...verbRoutes(ctx)];
}
