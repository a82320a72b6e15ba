import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type Stripe from 'stripe';
import { BrokenOffError } from './payments-stripe-outcome.ts';
import type { PaymentCall, PaymentsSettings } from './payments.ts';

const TIMEOUT_MS = 20_000;

/** One request, bounded in time, that is made once. */
export type Ask = <T>(call: Partial<PaymentCall>, request: (stripe: Stripe, options: Stripe.RequestOptions) => Promise<T>) => Promise<T>;

/** Says who makes the request; loads Stripe's client with the first one, since it takes a third of a second. */
export function createAsk(settings: PaymentsSettings): Ask {
  let loading: Promise<Stripe> | undefined;
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS;
  return async (call, request) => {
    loading ??= load(settings, timeoutMs);
    const stripe = await loading;
    const leftMs = Math.min(timeoutMs, (call.deadline ?? Infinity) - performance.now());
    if (leftMs <= 0 || call.signal?.aborted === true) throw new NotBegunError('There was no time left to begin.');
    const options = { timeout: Math.ceil(leftMs), ...(call.key === undefined ? {} : { idempotencyKey: call.key }) };
    return await bounded(request(stripe, options), leftMs, call.signal);
  };
}

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

/** Surely nothing was sent. */
export class NotBegunError extends Error {
  override readonly name = 'NotBegunError';
}

async function load({ secretKey, simulatorUrl }: PaymentsSettings, timeoutMs: number): Promise<Stripe> {
  const { default: Client } = await import('stripe');
  const place = simulatorUrl === undefined ? undefined : new URL(simulatorUrl);
  const isPlain = place?.protocol === 'http:';
  const httpAgent = isPlain ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true });
  return new Client(secretKey, {
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: timeoutMs,
    httpClient: onlyOnce(Client.createNodeHttpClient(httpAgent)),
    ...(place === undefined
      ? {}
      : {
          host: place.hostname,
          port: place.port === '' ? (isPlain ? 80 : 443) : Number(place.port),
          protocol: isPlain ? 'http' : 'https',
        }),
  });
}

/**
 * Stripe's client sends a request again when its connection was closed, also when told to retry nothing, and would do so after our deadline.
 * Whether to try again is decided by us, so the error must not look like one of those.
 */
function onlyOnce(client: HttpClient): HttpClient {
  return {
    getClientName: () => client.getClientName(),
    async makeRequest(...parts: Parameters<HttpClient['makeRequest']>) {
      try {
        return await client.makeRequest(...parts);
      } catch (error) {
        const isClosed = error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        throw isClosed ? new Error('The connection was closed.', { cause: error }) : error;
      }
    },
  };
}

/** Stripe's own time-out starts anew with each byte that comes; this one does not. */
async function bounded<T>(work: Promise<T>, limitMs: number, signal?: AbortSignal): Promise<T> {
  const broken = Promise.withResolvers<never>();
  const breakOff = () => broken.reject(new BrokenOffError('The call took too long.'));
  const timer = setTimeout(breakOff, limitMs);
  signal?.addEventListener('abort', breakOff, { once: true });
  try {
    return await Promise.race([work, broken.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', breakOff);
    // It may still fail after we stopped listening.
    work.catch(() => undefined);
  }
}
