import type Stripe from 'stripe';
import { ok } from './call.ts';
import type { Answer, Call } from './call.ts';
import { invalid, missing } from './errors.ts';
import { newId } from './ids.ts';
import { listed } from './lists.ts';
import { mergeMetadata } from './parameters.ts';
import type { Parameters } from './parameters.ts';
import { API_VERSION } from './work.ts';
import type { Work } from './work.ts';

export function createWebhookEndpoint({ work, parameters }: Call): Answer {
  const url = checkUrl(parameters.requiredText('url'));
  const events = parameters.texts('enabled_events');
  const version = parameters.text('api_version');
  const description = parameters.text('description') ?? null;
  const metadata = mergeMetadata({}, parameters.metadata());
  parameters.done();
  if (events === undefined)
    throw invalid('Missing required param: enabled_events.', { code: 'parameter_missing', param: 'enabled_events' });
  if (version != null && version !== API_VERSION)
    throw invalid(`The simulator knows version ${API_VERSION} only.`, { param: 'api_version' });
  const endpoint = newEndpoint({ url, events, created: work.clock.nowSeconds(), secret: newId('whsec', 32) });
  work.put('webhook_endpoint', { ...endpoint, description, metadata });
  return ok({ ...endpoint, description, metadata });
}

export function retrieveWebhookEndpoint({ work, id, parameters }: Call): Answer {
  parameters.done();
  return ok(withoutSecret(existing(work, id)));
}

export function updateWebhookEndpoint({ work, id, parameters }: Call): Answer {
  const before = existing(work, id);
  const url = parameters.text('url');
  const events = parameters.texts('enabled_events');
  const isDisabled = parameters.flag('disabled');
  const description = readDescription(parameters, before);
  const metadata = mergeMetadata(before.metadata, parameters.metadata());
  parameters.done();
  const updated = {
    ...before,
    url: typeof url === 'string' ? checkUrl(url) : before.url,
    enabled_events: events === undefined ? before.enabled_events : [...events],
    status: isDisabled === undefined ? before.status : isDisabled ? 'disabled' : 'enabled',
    description,
    metadata,
  };
  work.put('webhook_endpoint', updated);
  return ok(withoutSecret(updated));
}

export function deleteWebhookEndpoint({ work, id, parameters }: Call): Answer {
  parameters.done();
  existing(work, id);
  work.remove('webhook_endpoint', id);
  return ok({ id, object: 'webhook_endpoint', deleted: true } satisfies Stripe.DeletedWebhookEndpoint);
}

export function listWebhookEndpoints({ work, parameters }: Call): Answer {
  const all = work.all('webhook_endpoint').map(withoutSecret);
  return ok(listed(all, parameters, { url: '/v1/webhook_endpoints', filter: () => true }));
}

export function newEndpoint(facts: {
  readonly url: string;
  readonly events: readonly string[];
  readonly created: number;
  readonly secret: string;
}): Stripe.WebhookEndpoint {
  return {
    id: newId('we'),
    object: 'webhook_endpoint',
    api_version: API_VERSION,
    application: null,
    created: facts.created,
    description: null,
    enabled_events: [...facts.events],
    livemode: false,
    metadata: {},
    secret: facts.secret,
    status: 'enabled',
    url: facts.url,
  };
}

function readDescription(parameters: Parameters, before: Stripe.WebhookEndpoint): string | null {
  const description = parameters.text('description');
  return description === undefined ? before.description : description;
}

/** Stripe tells the secret once, when the endpoint is made. */
function withoutSecret({ secret: _secret, ...endpoint }: Stripe.WebhookEndpoint): Stripe.WebhookEndpoint {
  return endpoint;
}

/** The simulator reaches nothing but this machine, so that no test writes to a stranger. */
function checkUrl(text: string): string {
  const url = URL.parse(text);
  const isLocal = url !== null && /^https?:$/.test(url.protocol) && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname);
  if (isLocal) return text;
  throw invalid('Invalid URL: the simulator delivers to this machine only, such as http://127.0.0.1:7460/hooks/stripe.', {
    code: 'url_invalid',
    param: 'url',
  });
}

function existing(work: Work, id: string): Stripe.WebhookEndpoint {
  const endpoint = work.get('webhook_endpoint', id);
  if (endpoint === undefined) throw missing('webhook_endpoint', id);
  return endpoint;
}
