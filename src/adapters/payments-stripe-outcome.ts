import type Stripe from 'stripe';
import { readDecline, readIntent } from './payments-stripe-objects.ts';
import type { Answer, Outcome, Refusal } from './payments.ts';

/** Errors of the phase in which a connection is made: nothing was sent. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const STATE_CODES: ReadonlySet<string> = new Set([
  'charge_already_captured',
  'charge_already_refunded',
  'charge_expired_for_capture',
  'charge_not_refundable',
  'intent_invalid_state',
  'payment_intent_unexpected_state',
  'status_transition_invalid',
]);
const REFUSED_TEXT = 'The payment could not be done this way. Nothing was taken.';

/** Broken off by us: the deadline has passed, or the caller has stopped waiting. */
export class BrokenOffError extends Error {
  override readonly name = 'BrokenOffError';
}

/** What an error of a changing call means. */
export function outcomeOf(error: unknown): Exclude<Outcome<never>, { readonly outcome: 'done' }> {
  if (error instanceof BrokenOffError) return unknown('timeout', error);
  if (!isStripeError(error)) return unknown('not_understood', error);
  const { statusCode = 0, code } = error;
  if (error.type === 'StripeConnectionError') return ofConnection(error);
  if (statusCode === 401 || statusCode === 403) return { outcome: 'not_done', reason: 'credentials' };
  if (statusCode === 429) return { outcome: 'not_done', reason: 'rate_limited', ...retryAfter(error) };
  if (statusCode === 409 || code === 'idempotency_key_in_use') return unknown('key_in_use', error);
  if (error.rawType === 'idempotency_error') return unknown('key_reused', error);
  if (statusCode >= 500) return unknown('server_error', error);
  if (statusCode >= 400) return { outcome: 'refused', refusal: refusalOf(error, statusCode) };
  return unknown('not_understood', error);
}

/** What an error of a question means. */
export function answerOf(error: unknown): Answer<never> {
  const outcome = outcomeOf(error);
  if (outcome.outcome === 'refused' && outcome.refusal.kind === 'missing') return { outcome: 'absent' };
  if (outcome.outcome === 'refused') return { outcome: 'unknown', reason: outcome.refusal.code };
  const { reason, retryAfterMs } = outcome;
  return { outcome: 'unknown', reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function ofConnection(error: Stripe.errors.StripeError): Exclude<Outcome<never>, { readonly outcome: 'done' }> {
  const code = codeOf(error.detail) ?? '';
  if (UNREACHABLE.has(code)) return { outcome: 'not_done', reason: 'unreachable' };
  return unknown(code === 'ETIMEDOUT' ? 'timeout' : 'dropped', error);
}

function refusalOf(error: Stripe.errors.StripeError, statusCode: number): Refusal {
  const { code = 'unknown', decline_code: declineCode, payment_intent: after } = error;
  if (statusCode === 402) {
    const read = readIntent(after);
    const intent = read === undefined || read.value === 'foreign' ? {} : { intent: read.value };
    return { kind: 'declined', ...readDecline({ code, decline_code: declineCode }), ...intent };
  }
  const kind = statusCode === 404 || code === 'resource_missing' ? 'missing' : STATE_CODES.has(code) ? 'state' : 'invalid';
  return { kind, code, text: REFUSED_TEXT };
}

function unknown(
  reason: Extract<Outcome<never>, { readonly outcome: 'unknown' }>['reason'],
  error: unknown,
): Extract<Outcome<never>, { readonly outcome: 'unknown' }> {
  const isReplay = isStripeError(error) && error.headers?.['idempotent-replayed'] === 'true';
  return { outcome: 'unknown', reason, isReplay, ...retryAfter(error) };
}

/** In seconds, or as a date. */
function retryAfter(error: unknown): { readonly retryAfterMs?: number } {
  const header = isStripeError(error) ? error.headers?.['retry-after'] : undefined;
  if (header === undefined) return {};
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? { retryAfterMs: ms } : {};
}

/** By its look: Stripe's client is loaded with the first call, and its classes are not at hand here. */
function isStripeError(error: unknown): error is Stripe.errors.StripeError {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' && error.type.startsWith('Stripe');
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'cause' in error ? codeOf(error.cause) : undefined;
}
