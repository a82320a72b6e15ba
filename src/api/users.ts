import * as z from 'zod';
import { IdPageQuery, writeCursor } from '../contracts/routes.ts';
import { User, UserContent, UserPage, UserParams } from '../contracts/users.ts';
import type { UserRow } from '../store/users.ts';
import type { ApiContext } from './lib/context.ts';
import { cutPage, readIdCursor } from './lib/pages.ts';
import { HttpProblem } from './lib/problems.ts';
import { type Route, tenantRoute } from './lib/route.ts';

const TAG = 'Users';
const ID = { test: (id: string) => UserParams.shape.id.safeParse(id).success };

const CONTENT = { email: 'ada@example.com', timeZone: 'Europe/Berlin', locale: 'de-AT', attributes: { plan: 'pro' } };
const EXAMPLE: z.infer<typeof User> = {
  id: 'u_42',
  object: 'user',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  ...CONTENT,
};

/** The host application's users, as far as features need them. */
export function userRoutes(ctx: ApiContext): Route[] {
  return [putRoute(ctx), getRoute(ctx), listRoute(ctx), removeRoute(ctx)];
}

function putRoute(ctx: ApiContext): Route {
  return tenantRoute(['users:write'], {
    method: 'put',
    path: '/v1/users/{id}',
    operationId: 'putUser',
    summary: 'Make or replace a user',
    description: 'The id is your own; it must not be personal (no e-mail address). Fields that are left out are cleared.',
    tag: TAG,
    params: UserParams,
    checksParams: true,
    body: UserContent,
    bodyExample: CONTENT,
    responses: {
      200: { description: 'Replaced.', schema: User, example: EXAMPLE },
      201: { description: 'Made.', schema: User, example: EXAMPLE },
    },
    async handler({ params, body, auth, now }) {
      const { created, user } = await ctx.store.users.put({
        tenantId: auth.tenantId,
        id: params.id,
        content: body,
        actor: auth.actor,
        now,
      });
      return { status: created ? 201 : 200, body: presentUser(user) };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return tenantRoute(['users:read'], {
    method: 'get',
    path: '/v1/users/{id}',
    operationId: 'getUser',
    summary: 'Look at a user',
    description: 'As it was put last.',
    tag: TAG,
    params: UserParams,
    responses: { 200: { description: 'The user.', schema: User, example: EXAMPLE } },
    problems: ['not_found'],
    async handler({ params, auth }) {
      const user = await ctx.store.users.get(auth.tenantId, params.id);
      if (user === undefined) throw new HttpProblem('not_found');
      return { status: 200, body: presentUser(user) };
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute(['users:read'], {
    method: 'get',
    path: '/v1/users',
    operationId: 'listUsers',
    summary: 'List users',
    description: 'By id.',
    tag: TAG,
    query: z.object(IdPageQuery),
    responses: { 200: { description: 'One page.', schema: UserPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } } },
    problems: ['invalid_cursor'],
    async handler({ auth, query }) {
      const after = readIdCursor(query.cursor, ID);
      const { rows, hasMore } = cutPage(await ctx.store.users.list(auth.tenantId, { limit: query.limit + 1, after }), query.limit);
      const last = rows.at(-1);
      return {
        status: 200,
        body: { data: rows.map(presentUser), hasMore, nextCursor: hasMore && last !== undefined ? writeCursor([last.id]) : null },
      };
    },
  });
}

function removeRoute(ctx: ApiContext): Route {
  return tenantRoute(['users:write'], {
    method: 'delete',
    path: '/v1/users/{id}',
    operationId: 'removeUser',
    summary: 'Remove a user',
    description: 'Gone for good. What was done for the user stays where it is recorded.',
    tag: TAG,
    params: UserParams,
    responses: { 204: { description: 'Removed.' } },
    problems: ['not_found'],
    async handler({ params, auth, now }) {
      if (!(await ctx.store.users.remove({ tenantId: auth.tenantId, id: params.id, actor: auth.actor, now })))
        throw new HttpProblem('not_found');
      return { status: 204 };
    },
  });
}

function presentUser(row: UserRow): z.infer<typeof User> {
  return {
    id: row.id,
    object: 'user',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    ...(row.email === null ? {} : { email: row.email }),
    ...(row.time_zone === null ? {} : { timeZone: row.time_zone }),
    ...(row.locale === null ? {} : { locale: row.locale }),
    attributes: row.attributes as z.infer<typeof User>['attributes'],
  };
}
