import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { invalid, missing } from './errors.ts';
import { listed } from './lists.ts';

const KEPT_SECONDS = 30 * 86_400;

export function retrieveEvent({ work, id, parameters }: Call): Answer {
  parameters.done();
  const event = work.get('event', id);
  if (event === undefined || isForgotten(event, work.clock.nowSeconds())) throw missing('event', id);
  return ok(event);
}

export function listEvents({ work, parameters }: Call): Answer {
  const type = parameters.text('type');
  const types = parameters.texts('types');
  const isDelivered = parameters.flag('delivery_success');
  if (type != null && types !== undefined) {
    throw invalid('You may only specify one of these parameters: type, types.', { code: 'parameters_exclusive', param: 'types' });
  }
  const now = work.clock.nowSeconds();
  const isWanted = (event: Stripe.Event) =>
    !isForgotten(event, now) &&
    (type == null || matches(type, event.type)) &&
    (types === undefined || types.includes(event.type)) &&
    (isDelivered === undefined || isDelivered === (event.pending_webhooks === 0));
  return ok(listed(work.all('event'), parameters, { url: '/v1/events', filter: isWanted }));
}

/** `charge.*` stands for all that begin so. */
function matches(pattern: string, type: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}

function isForgotten({ created }: Stripe.Event, nowSeconds: number): boolean {
  return created < nowSeconds - KEPT_SECONDS;
}
