import { createHash } from 'node:crypto';

export const REQUEST_FAULTS = [
  /** Done and written down, then the connection is closed without an answer. */
  'reply_lost',
  /** Done and written down; half of the answer is sent. */
  'cut_body',
  /** 500 before anything was done; kept for the idempotency key, as Stripe keeps it. */
  'error_500',
  /** 500 after everything was done; kept too. */
  'error_500_after',
  /** 429 before anything began; not kept. */
  'rate_limited',
  /** A proxy's 502 in JSON that has no `error`, before anything began; not kept. */
  'bad_gateway',
  /** The same after everything was done: the key gets the true answer next time. */
  'bad_gateway_after',
  /** Done and written down; the answer takes its time, and the key is in use until then. */
  'slow',
] as const;
export type RequestFaultKind = (typeof REQUEST_FAULTS)[number];

export const WEBHOOK_FAULTS = [
  /** Never sent, and listed as undelivered. */
  'dropped',
  /** Never sent, and listed as delivered: only the objects tell. */
  'swallowed',
  /** Sent twice. */
  'doubled',
  /** Held back for a moment, so that later ones overtake it. */
  'reordered',
  /** Held back for `lateMs`. */
  'late',
] as const;
export type WebhookFaultKind = (typeof WEBHOOK_FAULTS)[number];

export interface RequestFault {
  readonly kind: RequestFaultKind;
  /** Of the requests that it is for, from 0 to 1. */
  readonly share: number;
  /** `POST /v1/refunds`, or the beginning of one; all changing requests when absent. */
  readonly route?: string;
  /** How many attempts under one idempotency key it hits, once it hits; 1 by default. */
  readonly attempts?: number;
  /** For `slow`. */
  readonly delayMs?: number;
}

export interface FaultPlan {
  /** There is one plan. */
  readonly id: 'plan';
  readonly seed: string;
  readonly requests: readonly RequestFault[];
  readonly webhooks: Readonly<Partial<Record<WebhookFaultKind, number>>>;
  readonly lateMs: number;
}

export const NO_FAULTS: FaultPlan = { id: 'plan', seed: '', requests: [], webhooks: {}, lateMs: 30_000 };

/** One request as the plan sees it. */
export interface FaultCase {
  readonly method: string;
  readonly path: string;
  /** The idempotency key, else something that is another for each request. */
  readonly key: string;
  /** 1 for the first request under this key. */
  readonly attempt: number;
}

/**
 * Whether and how this request goes wrong. Decided by seed and key alone, whatever happens at the same time: the same seed treats the same keys
 * alike in every run. At most one of the plan's faults hits a request.
 */
export function requestFault(plan: FaultPlan, request: FaultCase): RequestFault | undefined {
  const name = `${request.method} ${request.path}`;
  const isFor = ({ route }: RequestFault) => (route === undefined ? request.method !== 'GET' : name.startsWith(route));
  let lot = drawn(plan.seed, `request ${name} ${request.key}`);
  for (const fault of plan.requests.filter(isFor)) {
    if (lot < fault.share) return request.attempt <= (fault.attempts ?? 1) ? fault : undefined;
    lot -= fault.share;
  }
  return undefined;
}

/** Whether and how this delivery goes wrong. */
export function webhookFault(plan: FaultPlan, eventId: string): WebhookFaultKind | undefined {
  let lot = drawn(plan.seed, `webhook ${eventId}`);
  for (const kind of WEBHOOK_FAULTS) {
    const share = plan.webhooks[kind] ?? 0;
    if (lot < share) return kind;
    lot -= share;
  }
  return undefined;
}

/** A moment between 0 and the given time, another one for each name. */
export function drawnDelay(plan: FaultPlan, name: string, longestMs: number): number {
  return Math.floor(drawn(plan.seed, `delay ${name}`) * longestMs);
}

/** Even over 0 … 1. */
function drawn(seed: string, name: string): number {
  return createHash('sha256').update(`${seed}\n${name}`).digest().readUInt32BE(0) / 2 ** 32;
}
