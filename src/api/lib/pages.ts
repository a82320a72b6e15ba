import { writeCursor } from '../../contracts/routes.ts';
import { HttpProblem } from './problems.ts';

interface TimeCursor {
  readonly createdAt: Date;
  readonly id: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
}

/** Of `limit + 1` rows, the page and whether there is another. */
export function cutPage<Row>(rows: readonly Row[], limit: number): Page<Row> {
  return { rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

interface ListedRow {
  readonly created_at: Date;
  readonly id: string;
}

/** The body of a list by time, of `limit + 1` rows. */
export function timePage<Row extends ListedRow>(rows: readonly Row[], limit: number, present: (row: Row) => unknown) {
  const page = cutPage(rows, limit);
  const last = page.rows.at(-1);
  const nextCursor = page.hasMore && last !== undefined ? writeCursor([last.created_at.toISOString(), last.id]) : null;
  return { data: page.rows.map(present), hasMore: page.hasMore, nextCursor };
}

/** The cursor of lists by time. @throws {HttpProblem} invalid_cursor */
export function readTimeCursor(cursor: string | undefined, idPattern: Pick<RegExp, 'test'>): TimeCursor | undefined {
  if (cursor === undefined) return undefined;
  const [at, id, ...rest] = readParts(cursor);
  // Four digits of year: the database knows no more than JavaScript does, but not the same.
  if (rest.length > 0 || id === undefined || !idPattern.test(id) || !/^[12]\d{3}-/.test(at ?? '')) throw new HttpProblem('invalid_cursor');
  const createdAt = new Date(at ?? '');
  if (Number.isNaN(createdAt.getTime())) throw new HttpProblem('invalid_cursor');
  return { createdAt, id };
}

/** The cursor of lists by id. @throws {HttpProblem} invalid_cursor */
export function readIdCursor(cursor: string | undefined, idPattern: Pick<RegExp, 'test'>): string | undefined {
  if (cursor === undefined) return undefined;
  const [id, ...rest] = readParts(cursor);
  if (rest.length > 0 || id === undefined || !idPattern.test(id)) throw new HttpProblem('invalid_cursor');
  return id;
}

function readParts(cursor: string): string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) return parts;
  } catch {
    // Falls through to the one answer for all that is no cursor.
  }
  throw new HttpProblem('invalid_cursor');
}
