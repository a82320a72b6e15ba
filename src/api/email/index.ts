import type { FeatureApi } from '../lib/context.ts';
import { mailRoutes } from './mails.ts';
import { prepareEmail } from './render.ts';
import { suppressionRoutes } from './suppressions.ts';
import { templateRoutes } from './templates.ts';
import { unsubscribeRoutes } from './unsubscribe.ts';

export const emailApi: FeatureApi = {
  routes: (ctx) => [...mailRoutes(ctx), ...templateRoutes(ctx), ...suppressionRoutes(ctx), ...unsubscribeRoutes(ctx)],
  prepare: { email: prepareEmail },
};
