import { createStripePayments } from './payments-stripe.ts';

/**
 * Whose payment an object on the other side is. It travels in the object's metadata, so that what we made is found again and what somebody
 * else made on the same account is left alone.
 */
export interface PaymentOwner {
  readonly tenantId: string;
  readonly orderId: string;
}

/**
 * An amount in the smallest unit that the payment provider counts in (`contracts/currencies.ts` tells how many decimals that is and which
 * amounts it takes), and a currency in capitals.
 */
export interface PaymentMoney {
  readonly amount: number;
  readonly currency: string;
}

/** `other`: a state that this version does not know; it is to be looked at by a person, never dropped. */
export type IntentStatus =
  | 'needs_payment_method'
  | 'needs_confirmation'
  | 'needs_action'
  | 'processing'
  | 'authorized'
  | 'succeeded'
  | 'cancelled'
  | 'other';

/** A payment as the provider holds it. Amounts are in the intent's own currency. */
export interface PaymentIntent {
  readonly id: string;
  readonly owner: PaymentOwner;
  /** The business key that it was made with. */
  readonly key: string;
  readonly status: IntentStatus;
  readonly money: PaymentMoney;
  readonly captureMethod: 'automatic' | 'manual';
  /** Authorized and not taken yet. */
  readonly capturableAmount: number;
  /** Taken from the buyer; refunds don't lessen it. */
  readonly receivedAmount: number;
  /** For the provider's own form in the buyer's browser. */
  readonly clientSecret: string;
  /** What the buyer has to do; present in `needs_action`. */
  readonly nextAction?: { readonly type: string; readonly url?: string };
  /** Why the last try was refused; present until the next try. */
  readonly lastDecline?: Decline;
  /** Of the last try; present once there was one. */
  readonly charge?: Charge;
  readonly cancelReason?: string;
  /** ISO. */
  readonly createdAt: string;
}

/** One try at taking money. */
export interface Charge {
  readonly id: string;
  readonly status: 'succeeded' | 'pending' | 'failed' | 'other';
  readonly isCaptured: boolean;
  readonly capturedAmount: number;
  readonly refundedAmount: number;
  /** What it did to our balance; absent before money was taken. */
  readonly balance?: BalanceTransaction;
  /** ISO; until when an authorized amount can be taken. */
  readonly captureBefore?: string;
}

/** A refusal of the buyer's payment method. */
export interface Decline {
  /** The provider's code, such as `card_declined`. */
  readonly code: string;
  /** The finer reason, such as `insufficient_funds`. For logs and operators: some of them must not be shown to the buyer. */
  readonly declineCode?: string;
  /** May be shown to the buyer. */
  readonly text: string;
}

export interface Refund {
  readonly id: string;
  readonly owner: PaymentOwner;
  /** Empty: not made here. */
  readonly key: string;
  readonly intentId: string;
  readonly status: 'pending' | 'succeeded' | 'failed' | 'cancelled' | 'other';
  readonly money: PaymentMoney;
  /** Why it failed, as a code. */
  readonly failureReason?: string;
  /** What it took from our balance, and, when it failed, what came back. */
  readonly balance?: BalanceTransaction;
  readonly failureBalance?: BalanceTransaction;
  readonly createdAt: string;
}

/** A movement of our balance at the provider. `net` = `amount` − `fee`; what leaves is negative. */
export interface BalanceTransaction {
  readonly id: string;
  readonly type: string;
  /** Id of the charge, refund, … that caused it. */
  readonly sourceId: string | undefined;
  readonly amount: number;
  readonly fee: number;
  readonly net: number;
  readonly currency: string;
  readonly createdAt: string;
}

/** What the provider says happened: a hint to read the object again, since events come late, twice, in any order or not at all. */
export interface PaymentEvent {
  readonly id: string;
  /** The provider's word, such as `payment_intent.succeeded`. */
  readonly type: string;
  readonly createdAt: string;
  /** The object that the event is about; `other` for kinds that we don't follow. */
  readonly about: { readonly kind: 'intent' | 'charge' | 'refund' | 'other'; readonly id: string };
  /** The payment that the object belongs to, where it tells. */
  readonly intentId?: string;
  /** Absent: made by somebody else, or it doesn't tell. */
  readonly owner?: PaymentOwner;
}

/** How a call that changes something ended, in the terms that decide whether it may be made again. */
export type Outcome<T> =
  | { readonly outcome: 'done'; readonly value: T; readonly isReplay: boolean }
  /** A final no. */
  | { readonly outcome: 'refused'; readonly refusal: Refusal }
  /** It surely did not happen and may be tried again under the same key. */
  | {
      readonly outcome: 'not_done';
      readonly reason: 'rate_limited' | 'unreachable' | 'credentials' | 'aborted';
      readonly retryAfterMs?: number;
    }
  /**
   * It may have happened. The same key may be sent again within a day, and gets the first answer; `isReplay` says that this was that first
   * answer, so the key is used up: find out by reading, and if it did not happen, take the next key.
   */
  | {
      readonly outcome: 'unknown';
      readonly reason: 'timeout' | 'dropped' | 'server_error' | 'not_understood' | 'key_in_use' | 'key_reused';
      readonly isReplay: boolean;
      readonly retryAfterMs?: number;
    };

/** `state`: the object is not in a state for it, so it is to be read again. `invalid`: our request is wrong, which repeating won't mend. */
export interface Refusal {
  readonly kind: 'declined' | 'state' | 'invalid' | 'missing';
  readonly code: string;
  readonly declineCode?: string;
  /** May be shown to the buyer. */
  readonly text: string;
  /** The payment after a decline. */
  readonly intent?: PaymentIntent;
}

/** How a question ended. `foreign`: there is one, but it isn't ours; nothing of it is shown and nothing may be done to it. */
export type Answer<T> =
  | { readonly outcome: 'found'; readonly value: T }
  | { readonly outcome: 'absent' }
  | { readonly outcome: 'foreign' }
  | { readonly outcome: 'unknown'; readonly reason: string; readonly retryAfterMs?: number };

/** A part of a list, newest first. What is not ours is left out, so a page may be empty though there are more. */
export interface PaymentPage<T> {
  readonly items: readonly T[];
  /** What `after` is for the next page; absent after the last. */
  readonly next?: string;
}

export interface PageRequest {
  /** ISO, both included. */
  readonly createdFrom?: string;
  readonly createdTo?: string;
  readonly after?: string;
  /** 100 by default and at most. */
  readonly limit?: number;
}

/** What every changing call has. */
export interface PaymentCall {
  /** The business key: saved before the call, the same for every attempt at the same change, never used for another one. */
  readonly key: string;
  /** In ms of `performance.now()`: the call is broken off when it passes. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

export interface CreateIntent extends PaymentCall {
  readonly owner: PaymentOwner;
  readonly money: PaymentMoney;
  readonly captureMethod: 'automatic' | 'manual';
  /** For the provider's page; no personal data. */
  readonly description?: string;
}

export interface ConfirmIntent extends PaymentCall {
  readonly intentId: string;
  /** Id of the buyer's payment method; left out when the intent has one. */
  readonly paymentMethod?: string;
  /** Where the buyer comes back to after approving the payment elsewhere. */
  readonly returnUrl: string;
}

export interface CreateRefund extends PaymentCall {
  readonly owner: PaymentOwner;
  readonly intentId: string;
  /** All that is left when absent. */
  readonly amount?: number;
  readonly reason?: 'duplicate' | 'fraudulent' | 'requested_by_customer';
}

/** What tells one of our objects from the others: its key, and when it can have been made. */
export interface FindByKey {
  readonly key: string;
  /** ISO; at or before the first attempt. A minute of difference between clocks is allowed for. */
  readonly createdFrom: string;
  readonly createdTo?: string;
}

export type WebhookCheck =
  | { readonly isGenuine: true; readonly event: PaymentEvent }
  | { readonly isGenuine: false; readonly reason: 'signature' | 'too_old' | 'too_new' | 'malformed' | 'mode' };

/** Takes payments through a provider. Reports outside conditions, never throws for them. Amounts of answers are checked against requests. */
export interface Payments {
  /** `simulated`: no money moves and no bank is asked. */
  readonly mode: 'simulated' | 'test' | 'live';
  /** For the provider's form in the buyer's browser; safe to publish. */
  readonly publishableKey: string;
  /** How long after a lost answer a change may still come to be on the other side. */
  readonly settleMs: number;

  createIntent(request: CreateIntent): Promise<Outcome<PaymentIntent>>;
  /** Changes the amount of an intent that waits for a payment method. */
  updateIntent(request: PaymentCall & { readonly intentId: string; readonly money: PaymentMoney }): Promise<Outcome<PaymentIntent>>;
  confirmIntent(request: ConfirmIntent): Promise<Outcome<PaymentIntent>>;
  /** All that is authorized when `amount` is absent; what is not taken is given back to the buyer. */
  captureIntent(request: PaymentCall & { readonly intentId: string; readonly amount?: number }): Promise<Outcome<PaymentIntent>>;
  /** Refused with `state` when money was taken; a cancelled one is refused with `state` too. */
  cancelIntent(request: PaymentCall & { readonly intentId: string }): Promise<Outcome<PaymentIntent>>;
  retrieveIntent(intentId: string): Promise<Answer<PaymentIntent>>;
  findIntent(request: FindByKey): Promise<Answer<PaymentIntent>>;
  listIntents(request: PageRequest): Promise<Answer<PaymentPage<PaymentIntent>>>;

  createRefund(request: CreateRefund): Promise<Outcome<Refund>>;
  retrieveRefund(refundId: string): Promise<Answer<Refund>>;
  /**
   * Of one payment, or of the account. With `owner`, whose that payment is, those that somebody made elsewhere count too, on the provider's
   * own page perhaps: they have no key.
   */
  listRefunds(request: PageRequest & { readonly intentId?: string; readonly owner?: PaymentOwner }): Promise<Answer<PaymentPage<Refund>>>;
  /** Names only, of all refunds of the account, whoever made them. */
  listRefundNames(request: PageRequest): Promise<Answer<PaymentPage<{ readonly id: string; readonly intentId: string }>>>;

  /** All of the account, also what is not ours: the sum of these is the balance. */
  listBalanceTransactions(request: PageRequest & { readonly sourceId?: string }): Promise<Answer<PaymentPage<BalanceTransaction>>>;
  /** The provider keeps events for 30 days. */
  listEvents(request: PageRequest & { readonly isUndelivered?: true }): Promise<Answer<PaymentPage<PaymentEvent>>>;

  /** Checks the signature over the bytes as they came, by the present and the previous secret, and that it is at most 5 minutes old or ahead. */
  checkWebhook(delivery: { readonly body: Buffer; readonly signature: string | undefined; readonly nowMs: number }): WebhookCheck;
}

/** How to reach the provider. */
export interface PaymentsSettings {
  /** `sk_test_…`, `rk_test_…`, or a live one where that is allowed. */
  readonly secretKey: string;
  readonly publishableKey: string;
  /** The present one first. */
  readonly webhookSecrets: readonly string[];
  /** Base URL of the simulator; Stripe itself when absent. */
  readonly simulatorUrl?: string;
  readonly allowsLivePayments?: boolean;
  /** For one call; 20 s by default. */
  readonly timeoutMs?: number;
}

/**
 * The driver for these settings. Nothing is sent before the first call.
 * @throws {Error} saying which setting is wrong
 */
export function createPayments(settings: PaymentsSettings): Payments {
  const { secretKey, publishableKey, allowsLivePayments = false, simulatorUrl } = settings;
  const mode = /^(?:sk|rk)_(test|live)_/.exec(secretKey)?.[1];
  if (mode === undefined) throw new Error('STRIPE_API_KEY: must begin with sk_test_, rk_test_, sk_live_ or rk_live_.');
  if (mode === 'live' && !allowsLivePayments) {
    throw new Error('STRIPE_API_KEY: is a live key, which takes real money. Use a test key, or set ALLOW_LIVE_PAYMENTS=1.');
  }
  if (mode === 'live' && simulatorUrl !== undefined) throw new Error('STRIPE_URL: must not be set together with a live key.');
  if (!publishableKey.startsWith(`pk_${mode}_`))
    throw new Error(`STRIPE_PUBLISHABLE_KEY: must begin with pk_${mode}_, as STRIPE_API_KEY is a ${mode} key.`);
  return createStripePayments(settings);
}
