import { createHmac, timingSafeEqual } from 'node:crypto';
import { readAnyEvent } from './payments-stripe-objects.ts';
import type { WebhookCheck } from './payments.ts';

/** How far the signature's time may be from ours, either way. Stripe's client lets one from the future pass. */
const TOLERANCE_MS = 300_000;

/** What is checked of a delivery, and against what. */
export interface SignedDelivery {
  readonly body: Buffer;
  /** `Stripe-Signature`: `t=<seconds>,v1=<hex>`, several `v1` while a secret is being replaced. */
  readonly signature: string | undefined;
  readonly nowMs: number;
}

/** Whether the provider sent this, by one of our secrets. Nothing of the body is looked at before. */
export function checkWebhook(
  { body, signature = '', nowMs }: SignedDelivery,
  account: { readonly secrets: readonly string[]; readonly isLive: boolean },
): WebhookCheck {
  const fields = signature.split(',').map((field) => field.trim().split('=', 2));
  const seconds = fields.find(([name]) => name === 't')?.[1] ?? '';
  const given = fields.flatMap(([name, value]) => (name === 'v1' && value !== undefined ? [Buffer.from(value, 'hex')] : []));
  if (!/^\d{1,11}$/.test(seconds)) return { isGenuine: false, reason: 'signature' };
  const expected = account.secrets.map((secret) => createHmac('sha256', secret).update(`${seconds}.`).update(body).digest());
  const isGenuine = expected.some((one) => given.some((other) => other.byteLength === one.byteLength && timingSafeEqual(one, other)));
  if (!isGenuine) return { isGenuine: false, reason: 'signature' };
  const ageMs = nowMs - Number(seconds) * 1000;
  if (ageMs > TOLERANCE_MS) return { isGenuine: false, reason: 'too_old' };
  if (ageMs < -TOLERANCE_MS) return { isGenuine: false, reason: 'too_new' };
  const read = readAnyEvent(parse(body));
  if (read === undefined) return { isGenuine: false, reason: 'malformed' };
  return read.isLive === account.isLive ? { isGenuine: true, event: read.event } : { isGenuine: false, reason: 'mode' };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
