import * as z from 'zod';

export const MAX_PAGE_SIZE = 200;
const DEFAULT_PAGE_SIZE = 50;
const EARLIEST = Date.UTC(1970, 0, 1);

/** `limit` and `cursor`, as every list takes them. */
export const PageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_PAGE_SIZE)
    .default(DEFAULT_PAGE_SIZE)
    .meta({ description: 'Entries in a page.', example: 50 }),
  cursor: z.string().min(1).max(500).optional().meta({ description: '`nextCursor` of the page before.' }),
} as const;

/** An instant as a query parameter, within what the database can compare. */
export const InstantParameter = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) >= EARLIEST, 'must be 1970 or later')
  .meta({ example: '2026-11-24T00:00:00Z' });

/** One page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item, id: string) {
  return z
    .object({
      data: z.array(item),
      hasMore: z.boolean(),
      nextCursor: z.string().nullable().meta({ description: 'Pass it as `cursor` to get the next page; null on the last one.' }),
    })
    .meta({ id });
}

/** Path parameter of everything that has a UUID. */
export const UuidParams = z.object({ id: z.uuid().meta({ example: '019ab6a0-7c00-7000-8000-000000000001' }) });
