import { z } from 'zod';
import type { BalanceTransaction, Charge, Decline, IntentStatus, PaymentEvent, PaymentIntent, PaymentOwner, Refund } from './payments.ts';

/** Names in the metadata of what is ours. */
export const METADATA = { tenant: 'nightshift_tenant', order: 'nightshift_order', key: 'nightshift_key' } as const;

// What we need of Stripe's objects, and no more: its client checks nothing, and would hand any JSON over as a payment.

const metadata = z.record(z.string(), z.string()).nullish();
const balanceTransaction = z.object({
  id: z.string(),
  type: z.string(),
  source: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
  amount: z.int(),
  fee: z.int(),
  net: z.int(),
  currency: z.string(),
  created: z.int(),
});
const charge = z.object({
  id: z.string(),
  status: z.string(),
  captured: z.boolean(),
  refunded: z.boolean(),
  amount: z.int(),
  amount_captured: z.int(),
  amount_refunded: z.int(),
  balance_transaction: z.union([z.string(), balanceTransaction]).nullish(),
  payment_method_details: z.object({ card: z.object({ capture_before: z.int().optional() }).nullish() }).nullish(),
});
const intent = z.object({
  id: z.string().startsWith('pi_'),
  object: z.literal('payment_intent'),
  status: z.string(),
  amount: z.int(),
  currency: z.string(),
  capture_method: z.string(),
  amount_capturable: z.int(),
  amount_received: z.int(),
  client_secret: z.string(),
  next_action: z.object({ type: z.string(), redirect_to_url: z.object({ url: z.string().nullable() }).nullish() }).nullish(),
  last_payment_error: z.object({ code: z.string().optional(), decline_code: z.string().optional() }).nullish(),
  latest_charge: z.union([z.string(), charge]).nullish(),
  cancellation_reason: z.string().nullish(),
  metadata,
  created: z.int(),
});
const refund = z.object({
  // `re_` for cards, `pyr_` for debits and bank payments.
  id: z.string().regex(/^(?:re|pyr)_/),
  object: z.literal('refund'),
  status: z.string(),
  amount: z.int(),
  currency: z.string(),
  /** None where the charge was made without one, so by somebody else. */
  payment_intent: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
  failure_reason: z.string().nullish(),
  balance_transaction: z.union([z.string(), balanceTransaction]).nullish(),
  failure_balance_transaction: z.union([z.string(), balanceTransaction]).nullish(),
  metadata,
  created: z.int(),
});
const event = z.object({
  id: z.string().startsWith('evt_'),
  type: z.string(),
  created: z.int(),
  livemode: z.boolean(),
  data: z.object({
    // Objects of kinds that we don't follow may look otherwise, and are still to be answered.
    object: z.object({
      id: z.string().optional().catch(undefined),
      object: z.string().optional().catch(undefined),
      payment_intent: z.unknown().optional(),
      metadata: metadata.catch(undefined),
    }),
  }),
});

const STATUSES: Readonly<Record<string, IntentStatus>> = {
  requires_payment_method: 'needs_payment_method',
  requires_confirmation: 'needs_confirmation',
  requires_action: 'needs_action',
  processing: 'processing',
  requires_capture: 'authorized',
  succeeded: 'succeeded',
  canceled: 'cancelled',
};
const REFUND_STATUSES: Readonly<Record<string, Refund['status']>> = {
  pending: 'pending',
  requires_action: 'pending',
  succeeded: 'succeeded',
  failed: 'failed',
  canceled: 'cancelled',
};
const KINDS: Readonly<Record<string, PaymentEvent['about']['kind']>> = { payment_intent: 'intent', charge: 'charge', refund: 'refund' };

/** What may be said to a buyer, by the reason that the bank gave; reasons that hint at fraud or theft are not told apart. */
const DECLINE_TEXTS: Readonly<Record<string, string>> = {
  authentication_required: 'Your bank wants you to approve this payment. Try again and approve it.',
  expired_card: 'The card has expired. Pay with another one.',
  incorrect_cvc: "The card's security code is wrong. Try again.",
  insufficient_funds: 'There is too little money for this payment. Pay with another card or account.',
  payment_intent_authentication_failure: 'The payment was not approved. Try again, or pay in another way.',
  processing_error: 'The payment could not be processed. Try again in a moment.',
};
const ANY_DECLINE = 'The payment was declined. Pay in another way, or ask your bank.';

/** An object that came, and whether it is ours; undefined when it is not what it should be. */
export type Read<T> = { readonly value: T | 'foreign' } | undefined;

export function readIntent(value: unknown): Read<PaymentIntent> {
  const { success, data } = intent.safeParse(value);
  if (!success) return undefined;
  const ours = ownerOf(data.metadata);
  if (ours === undefined) return { value: 'foreign' };
  const taken = typeof data.latest_charge === 'object' && data.latest_charge !== null ? readCharge(data.latest_charge) : undefined;
  const action = data.next_action;
  const url = action?.redirect_to_url?.url;
  return {
    value: {
      id: data.id,
      ...ours,
      status: STATUSES[data.status] ?? 'other',
      money: { amount: data.amount, currency: data.currency.toUpperCase() },
      captureMethod: data.capture_method === 'manual' ? 'manual' : 'automatic',
      capturableAmount: data.amount_capturable,
      receivedAmount: data.amount_received,
      clientSecret: data.client_secret,
      ...(action == null ? {} : { nextAction: { type: action.type, ...(url == null ? {} : { url }) } }),
      ...(data.last_payment_error == null ? {} : { lastDecline: readDecline(data.last_payment_error) }),
      ...(taken === undefined ? {} : { charge: taken }),
      ...(data.cancellation_reason == null ? {} : { cancelReason: data.cancellation_reason }),
      createdAt: isoOf(data.created),
    },
  };
}

/** @param payer whose the payment is: then a refund that was made elsewhere is theirs too, without a key */
export function readRefund(value: unknown, payer?: PaymentOwner): Read<Refund> {
  const { success, data } = refund.safeParse(value);
  if (!success) return undefined;
  const ours = ownerOf(data.metadata) ?? (payer === undefined ? undefined : { owner: payer, key: '' });
  const { balance_transaction: taken, failure_balance_transaction: returned, payment_intent: of } = data;
  if (ours === undefined || of == null) return { value: 'foreign' };
  return {
    value: {
      id: data.id,
      ...ours,
      intentId: idOf(of),
      status: REFUND_STATUSES[data.status] ?? 'other',
      money: { amount: data.amount, currency: data.currency.toUpperCase() },
      ...(data.failure_reason == null ? {} : { failureReason: data.failure_reason }),
      ...(typeof taken === 'object' && taken !== null ? { balance: movementOf(taken) } : {}),
      ...(typeof returned === 'object' && returned !== null ? { failureBalance: movementOf(returned) } : {}),
      createdAt: isoOf(data.created),
    },
  };
}

export function readRefundName(value: unknown): Read<{ readonly id: string; readonly intentId: string }> {
  const { success, data } = refund.pick({ id: true, payment_intent: true }).safeParse(value);
  if (!success) return undefined;
  const { id, payment_intent: of } = data;
  return { value: of == null ? 'foreign' : { id, intentId: idOf(of) } };
}

export function readBalanceTransaction(value: unknown): Read<BalanceTransaction> {
  const { success, data } = balanceTransaction.safeParse(value);
  return success ? { value: movementOf(data) } : undefined;
}

/** An event is `foreign` when it does not say that it is about an object of ours. */
export function readEvent(value: unknown): Read<PaymentEvent> {
  const read = readAnyEvent(value);
  return read === undefined ? undefined : { value: read.event.owner === undefined ? 'foreign' : read.event };
}

/** Also those that are about something that is not ours, for whoever has to answer them. */
export function readAnyEvent(value: unknown): { readonly event: PaymentEvent; readonly isLive: boolean } | undefined {
  const { success, data } = event.safeParse(value);
  if (!success) return undefined;
  const { object } = data.data;
  const owner = ownerOf(object.metadata)?.owner;
  const intentId = object.object === 'payment_intent' ? object.id : object.payment_intent;
  return {
    isLive: data.livemode,
    event: {
      id: data.id,
      type: data.type,
      createdAt: isoOf(data.created),
      about: { kind: KINDS[object.object ?? ''] ?? 'other', id: object.id ?? '' },
      ...(typeof intentId === 'string' ? { intentId } : {}),
      ...(owner === undefined ? {} : { owner }),
    },
  };
}

export function readDecline(error: { readonly code?: string | undefined; readonly decline_code?: string | undefined }): Decline {
  const { code = 'unknown', decline_code: declineCode } = error;
  const text = DECLINE_TEXTS[declineCode ?? ''] ?? DECLINE_TEXTS[code] ?? ANY_DECLINE;
  return { code, ...(declineCode === undefined ? {} : { declineCode }), text };
}

function readCharge(data: z.infer<typeof charge>): Charge {
  // Stripe counts what was authorized and given back without being taken as refunded.
  const releasedAmount = data.captured ? data.amount - data.amount_captured : data.amount_refunded;
  const { balance_transaction: movement } = data;
  const captureBefore = data.payment_method_details?.card?.capture_before;
  return {
    id: data.id,
    status: data.status === 'succeeded' || data.status === 'pending' || data.status === 'failed' ? data.status : 'other',
    isCaptured: data.captured,
    capturedAmount: data.amount_captured,
    refundedAmount: Math.max(0, data.amount_refunded - releasedAmount),
    ...(typeof movement === 'object' && movement !== null ? { balance: movementOf(movement) } : {}),
    ...(captureBefore === undefined ? {} : { captureBefore: isoOf(captureBefore) }),
  };
}

function movementOf(data: z.infer<typeof balanceTransaction>): BalanceTransaction {
  const { id, type, source, amount, fee, net, currency, created } = data;
  const sourceId = source == null ? undefined : idOf(source);
  return { id, type, sourceId, amount, fee, net, currency: currency.toUpperCase(), createdAt: isoOf(created) };
}

function ownerOf(data: z.infer<typeof metadata>): { readonly owner: PaymentOwner; readonly key: string } | undefined {
  const { [METADATA.tenant]: tenantId, [METADATA.order]: orderId, [METADATA.key]: key } = data ?? {};
  return tenantId === undefined || orderId === undefined || key === undefined ? undefined : { owner: { tenantId, orderId }, key };
}

function idOf(value: string | { readonly id: string }): string {
  return typeof value === 'string' ? value : value.id;
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
