import * as z from 'zod';
import { IdPageQuery, writeCursor } from '../contracts/routes.ts';
import { Tenant, TenantContent, TenantId, TenantPage, TenantParams } from '../contracts/tenants.ts';
import type { TenantRow } from '../store/tenants.ts';
import type { ApiContext } from './lib/context.ts';
import { cutPage, readIdCursor } from './lib/pages.ts';
import { HttpProblem } from './lib/problems.ts';
import { type Route, platformRoute } from './lib/route.ts';

const TAG = 'Tenants';
const ID = { test: (id: string) => TenantId.safeParse(id).success };

const EXAMPLE: Tenant = {
  id: 'acme',
  object: 'tenant',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  name: 'Acme Ltd',
};

/** Tenants, for platform keys. */
export function tenantRoutes(ctx: ApiContext): Route[] {
  return [putRoute(ctx), getRoute(ctx), listRoute(ctx), closeRoute(ctx)];
}

function putRoute(ctx: ApiContext): Route {
  return platformRoute({
    method: 'put',
    path: '/v1/tenants/{id}',
    operationId: 'putTenant',
    summary: 'Make or rename a tenant',
    description: 'Opens a closed tenant again, with the data and keys that it had.',
    tag: TAG,
    params: TenantParams,
    checksParams: true,
    body: TenantContent,
    bodyExample: { name: EXAMPLE.name },
    responses: {
      200: { description: 'Renamed.', schema: Tenant, example: EXAMPLE },
      201: { description: 'Made.', schema: Tenant, example: EXAMPLE },
    },
    async handler({ params, body, auth, now }) {
      const { created, tenant } = await ctx.store.tenants.put({ id: params.id, name: body.name, actor: auth.actor, now });
      return { status: created ? 201 : 200, body: presentTenant(tenant) };
    },
  });
}

function getRoute(ctx: ApiContext): Route {
  return platformRoute({
    method: 'get',
    path: '/v1/tenants/{id}',
    operationId: 'getTenant',
    summary: 'Look at a tenant',
    description: 'A closed tenant looks like none.',
    tag: TAG,
    params: TenantParams,
    responses: { 200: { description: 'The tenant.', schema: Tenant, example: EXAMPLE } },
    problems: ['not_found'],
    async handler({ params }) {
      const tenant = await ctx.store.tenants.get(params.id);
      if (tenant === undefined) throw new HttpProblem('not_found');
      return { status: 200, body: presentTenant(tenant) };
    },
  });
}

function listRoute(ctx: ApiContext): Route {
  return platformRoute({
    method: 'get',
    path: '/v1/tenants',
    operationId: 'listTenants',
    summary: 'List tenants',
    description: 'By id, open ones only.',
    tag: TAG,
    query: z.object(IdPageQuery),
    responses: { 200: { description: 'One page.', schema: TenantPage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } } },
    problems: ['invalid_cursor'],
    async handler({ query }) {
      const after = readIdCursor(query.cursor, ID);
      const { rows, hasMore } = cutPage(await ctx.store.tenants.list({ limit: query.limit + 1, after }), query.limit);
      const last = rows.at(-1);
      return {
        status: 200,
        body: { data: rows.map(presentTenant), hasMore, nextCursor: hasMore && last !== undefined ? writeCursor([last.id]) : null },
      };
    },
  });
}

function closeRoute(ctx: ApiContext): Route {
  return platformRoute({
    method: 'delete',
    path: '/v1/tenants/{id}',
    operationId: 'closeTenant',
    summary: 'Close a tenant',
    description: 'Its keys stop working within a second. Its data stays, and PUT opens it again. Accepted work still runs.',
    tag: TAG,
    params: TenantParams,
    responses: { 204: { description: 'Closed.' } },
    problems: ['not_found'],
    async handler({ params, auth, now }) {
      if (!(await ctx.store.tenants.close({ id: params.id, actor: auth.actor, now }))) throw new HttpProblem('not_found');
      return { status: 204 };
    },
  });
}

function presentTenant(row: TenantRow): Tenant {
  return { id: row.id, object: 'tenant', createdAt: row.created_at.toISOString(), updatedAt: row.updated_at.toISOString(), name: row.name };
}
