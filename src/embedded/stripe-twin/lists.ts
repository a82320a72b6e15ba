import { invalid, missing } from './errors.ts';
import type { Parameters } from './parameters.ts';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;

interface Listable {
  readonly id: string;
  readonly object: string;
  readonly created: number;
}

/** A page of a list as Stripe gives it, newest first. Reads the last parameters of the request. */
export function listed<T extends Listable>(
  oldestFirst: readonly T[],
  parameters: Parameters,
  list: { readonly url: string; readonly filter: (one: T) => boolean },
): object {
  const limit = parameters.integer('limit') ?? DEFAULT_LIMIT;
  const after = parameters.text('starting_after');
  const before = parameters.text('ending_before');
  const created = parameters.created();
  parameters.done();
  if (limit < 1 || limit > MAX_LIMIT) throw invalid(`Invalid limit: must be from 1 to ${MAX_LIMIT}`, { param: 'limit' });
  if (after != null && before != null) {
    throw invalid('You may only specify one of these parameters: starting_after, ending_before.', {
      code: 'parameters_exclusive',
      param: 'starting_after',
    });
  }
  const isInRange = (one: T) => created === undefined || (one.created >= created.from && one.created <= created.to);
  // The cursor may be an object that the filter leaves out by now, such as an event that was delivered meanwhile.
  const all = oldestFirst.toReversed();
  const isShown = (one: T) => isInRange(one) && list.filter(one);
  if (before != null) {
    const earlier = all.slice(0, positionOf(all, before, 'ending_before')).filter(isShown);
    return page(list.url, earlier.slice(-limit), earlier.length > limit);
  }
  const start = after == null ? 0 : positionOf(all, after, 'starting_after') + 1;
  const later = all.slice(start).filter(isShown);
  return page(list.url, later.slice(0, limit), later.length > limit);
}

function page(url: string, data: readonly object[], hasMore: boolean): object {
  return { object: 'list', url, has_more: hasMore, data };
}

function positionOf(all: readonly Listable[], id: string, param: string): number {
  const position = all.findIndex((one) => one.id === id);
  if (position === -1) throw missing(all[0]?.object ?? 'object', id, param);
  return position;
}
