import * as z from 'zod';
import { Instant } from './operation.ts';
import { MAX_PAGE_SIZE, PageQuery } from './routes.ts';

export const EventQuery = z.object({
  type: z
    .string()
    .regex(/^[a-zA-Z][a-zA-Z0-9_.]{0,99}$/, 'must be a type such as operation.succeeded')
    .optional()
    .meta({ description: 'Only events of this type.', example: 'operation.succeeded' }),
  after: z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(0)
    .meta({ description: 'Only events behind this position.', example: 0 }),
  limit: PageQuery.limit.meta({ description: `Entries in a page, at most ${MAX_PAGE_SIZE}.`, example: 50 }),
});

/** Something that happened, in the order of its position. */
export const PlatformEvent = z
  .object({
    id: z.uuid(),
    object: z.literal('event'),
    type: z.string().meta({ example: 'operation.succeeded' }),
    position: z.int(),
    createdAt: Instant,
    operationId: z.uuid().optional(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' });

export const EventPage = z
  .object({
    data: z.array(PlatformEvent),
    hasMore: z.boolean(),
    after: z.int().meta({ description: 'Pass it as `after` to go on from here, now or later.' }),
  })
  .meta({ id: 'EventPage' });
