import type * as z from 'zod';
import { EventPage, EventQuery, type PlatformEvent } from '../contracts/events.ts';
import type { EventRow } from '../store/events.ts';
import type { ApiContext } from './lib/context.ts';
import { cutPage } from './lib/pages.ts';
import { type Route, tenantRoute } from './lib/route.ts';

const EXAMPLE: z.infer<typeof PlatformEvent> = {
  id: '019ab6a0-7c00-7000-8000-0000000000e1',
  object: 'event',
  type: 'operation.succeeded',
  position: 17,
  createdAt: '2026-11-24T22:00:01.000Z',
  operationId: '019ab6a0-7c00-7000-8000-000000000001',
  data: { kind: 'email' },
};

/** What happened, in an order that misses nothing. */
export function eventRoutes(ctx: ApiContext): Route[] {
  return [
    tenantRoute(['events:read'], {
      method: 'get',
      path: '/v1/events',
      operationId: 'listEvents',
      summary: 'Read what happened',
      description:
        'Oldest first, by position. Keep `after` of the last answer and pass it in the next request: no event is missed and none comes twice.',
      tag: 'Events',
      query: EventQuery,
      responses: {
        200: {
          description: 'One page; empty when nothing is new.',
          schema: EventPage,
          example: { data: [EXAMPLE], hasMore: false, after: 17 },
        },
      },
      async handler({ auth, query }) {
        const { type, after, limit } = query;
        const { rows, hasMore } = cutPage(await ctx.store.events.list(auth.tenantId, { type, after, limit: limit + 1 }), limit);
        return { status: 200, body: { data: rows.map(presentEvent), hasMore, after: rows.at(-1)?.position ?? after } };
      },
    }),
  ];
}

function presentEvent(row: EventRow): z.infer<typeof PlatformEvent> {
  return {
    id: row.id,
    object: 'event',
    type: row.type,
    position: row.position,
    createdAt: row.created_at.toISOString(),
    ...(row.operation_id === null ? {} : { operationId: row.operation_id }),
    data: row.data,
  };
}
