import * as z from 'zod';

export const MAX_PAGE_SIZE = 200;
const DEFAULT_PAGE_SIZE = 50;
const EARLIEST = Date.UTC(1970, 0, 1);

/** A cursor names the last row of its page; opaque, so that what it holds may change. */
export function writeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** `limit` and `cursor` of a list. The example is taken as it stands and leaves nothing out: the reference page fills it in. */
function pageQuery(beforeAll: readonly string[]) {
  return {
    limit: z.coerce
      .number()
      .int()
      .min(1)
      .max(MAX_PAGE_SIZE)
      .default(DEFAULT_PAGE_SIZE)
      .meta({ description: 'Entries in a page.', example: 50 }),
    cursor: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .meta({ description: '`nextCursor` of the page before.', example: writeCursor(beforeAll) }),
  } as const;
}

/** Of lists by time, newest first, of rows that have such ids. */
export function timePageQuery(lastId: string) {
  return pageQuery(['2999-12-31T23:59:59.999Z', lastId]);
}

export const PageQuery = timePageQuery('ffffffff-ffff-7fff-bfff-ffffffffffff');
export const KeyPageQuery = timePageQuery('zzzzzzzz');
/** Of lists by an id that the client gave. */
export const IdPageQuery = pageQuery(['0']);

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
