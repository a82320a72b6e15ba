import * as z from 'zod';
import { TimelineEntry } from '../../contracts/operation.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { TimelineRow } from '../../store/timeline.ts';
import type { ApiContext } from '../lib/context.ts';
import { openEventStream, readLastEventId } from '../lib/event-stream.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { findOperation, scopesFor } from './access.ts';

const Timeline = z.object({ data: z.array(TimelineEntry), hasMore: z.boolean(), nextCursor: z.null() }).meta({ id: 'Timeline' });

const STREAM_EXAMPLE = `retry: 1000

id: 1
event: step
data: {"status":"accepted","phase":"accepted","at":"2026-11-24T22:00:00.000Z"}

event: progress
data: {"done":1,"total":3,"unit":"recipients"}

id: 2
event: done
data: {"status":"succeeded","phase":"succeeded","at":"2026-11-24T22:00:01.000Z"}
`;

export function followRoutes(ctx: ApiContext): Route[] {
  return [timelineRoute(ctx), streamRoute(ctx)];
}

function timelineRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'read'), {
    method: 'get',
    path: '/v1/operations/{id}/timeline',
    operationId: 'getTimeline',
    summary: 'What was done, step by step',
    description: 'Each attempt at each step, oldest first; failed attempts stay, with their errors.',
    tag: 'Operations',
    tokens: true,
    params: UuidParams,
    responses: {
      200: {
        description: 'All attempts.',
        schema: Timeline,
        example: { data: [EXAMPLE_ENTRY], hasMore: false, nextCursor: null },
      },
    },
    problems: ['not_found'],
    async handler(request) {
      const row = await findOperation(ctx, request, 'read');
      const rows = await ctx.store.timeline.list(request.auth.tenantId, row.id);
      return { status: 200, body: { data: rows.map(presentEntry), hasMore: false, nextCursor: null } };
    },
  });
}

function streamRoute(ctx: ApiContext): Route {
  return tenantRoute(scopesFor(ctx.kinds, 'read'), {
    method: 'get',
    path: '/v1/operations/{id}/stream',
    operationId: 'streamOperation',
    summary: 'News of an operation as they happen',
    description: [
      'Server-sent events. `step` and `done` are stored and have an id: a client that comes back with `Last-Event-ID` misses none and gets none twice.',
      '`progress` is the last value, at most 4 a second, without an id. The stream ends after `done`; a comment every 15 s keeps it open.',
      '`expired` comes last when the key or token has expired; `end` tells that it was `revoked`, or that the server stops (`shutdown`).',
    ].join(' '),
    tag: 'Operations',
    tokens: true,
    tokenInQuery: true,
    params: UuidParams,
    query: z.object({ lastEventId: z.string().max(15).optional().meta({ description: 'As the header `Last-Event-ID`.', example: '1' }) }),
    headers: { 'Last-Event-ID': 'The id of the last event that the client has.' },
    responses: {
      200: {
        description: 'Events, until the operation has ended.',
        schema: z.string(),
        contentType: 'text/event-stream',
        example: STREAM_EXAMPLE,
      },
      204: { description: 'The client has all events, and no more will come.' },
    },
    problems: ['not_found'],
    async handler(request) {
      const row = await findOperation(ctx, request, 'read');
      const after = readLastEventId(request.lastEventId, request.query.lastEventId);
      return openEventStream(ctx, { streamId: row.id, auth: request.auth, after });
    },
  });
}

const EXAMPLE_ENTRY: z.infer<typeof TimelineEntry> = {
  id: '019ab6a0-7c00-7000-8000-0000000000f1',
  object: 'timelineEntry',
  activity: 'sendEmail',
  activityId: '1',
  runId: '7c1d',
  attempt: 1,
  startedAt: '2026-11-24T22:00:00.100Z',
  finishedAt: '2026-11-24T22:00:00.300Z',
  outcome: 'failed',
  error: {
    type: 'OutsideUnavailable',
    message: 'the mail server did not answer',
  },
};

function presentEntry(row: TimelineRow): z.infer<typeof TimelineEntry> {
  return {
    id: row.id,
    object: 'timelineEntry',
    activity: row.activity,
    activityId: row.activity_id,
    runId: row.run_id,
    attempt: row.attempt,
    startedAt: row.started_at.toISOString(),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at.toISOString() }),
    ...(row.outcome === null ? {} : { outcome: row.outcome }),
    ...(row.error === null ? {} : { error: row.error }),
  };
}
