import type Stripe from 'stripe';
import { newClientSecret, newId } from './ids.ts';
import type { Instrument } from './instruments.ts';

// Stripe's own types check that the simulator's objects are whole; what no behaviour needs is null, as it is for an account that doesn't use it.

const NOBODY = { address: null, email: null, name: null, phone: null, tax_id: null };
const NO_CHECKS = { address_line1_check: null, address_postal_code_check: null, cvc_check: null };
const EXPIRY = { exp_month: 12, exp_year: 2034 };
/** Stripe authorizes for seven days. */
const AUTHORIZATION_SECONDS = 7 * 86_400;

export function newPaymentMethod(instrument: Instrument, created: number): Stripe.PaymentMethod {
  const { brand, last4 } = instrument;
  const common = {
    id: newId('pm'),
    object: 'payment_method' as const,
    billing_details: NOBODY,
    created,
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
  };
  if (instrument.type === 'sepa_debit') {
    const account = {
      bank_code: '37040044',
      branch_code: '',
      country: 'DE',
      fingerprint: `simulated${last4}`,
      generated_from: null,
      last4,
    };
    return { ...common, type: 'sepa_debit', sepa_debit: account };
  }
  return {
    ...common,
    type: 'card',
    card: {
      ...EXPIRY,
      brand,
      last4,
      checks: NO_CHECKS,
      country: 'US',
      display_brand: brand,
      fingerprint: `simulated${last4}`,
      funding: 'credit',
      generated_from: null,
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
  };
}

/** What an intent is made of; the rest follows. */
export interface IntentFacts {
  readonly amount: number;
  readonly currency: string;
  readonly created: number;
  readonly captureMethod: Stripe.PaymentIntent['capture_method'];
  readonly given: Partial<Stripe.PaymentIntent>;
}

export function newIntent({ amount, currency, created, captureMethod, given }: IntentFacts): Stripe.PaymentIntent {
  const id = newId('pi');
  return {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: { allow_redirects: 'always', enabled: true },
    canceled_at: null,
    cancellation_reason: null,
    capture_method: captureMethod,
    client_secret: newClientSecret(id),
    confirmation_method: 'automatic',
    created,
    currency,
    customer: null,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: {},
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: currency === 'eur' ? ['card', 'sepa_debit'] : ['card'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
    ...given,
  };
}

/** One try at an intent. */
export interface ChargeFacts {
  readonly intent: Stripe.PaymentIntent;
  readonly method: Stripe.PaymentMethod;
  readonly created: number;
  readonly status: 'succeeded' | 'pending' | 'failed';
  readonly isCaptured: boolean;
  readonly failure?: { readonly code: string; readonly declineCode?: string; readonly message: string };
}

export function newCharge({ intent, method, created, status, isCaptured, failure }: ChargeFacts): Stripe.Charge {
  return {
    id: newId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: isCaptured ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: NOBODY,
    calculated_statement_descriptor: 'SIMULATOR',
    captured: isCaptured,
    created,
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: failure?.code ?? null,
    failure_message: failure?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: intent.metadata,
    on_behalf_of: null,
    outcome: outcomeOf(status, failure?.declineCode),
    paid: status === 'succeeded',
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: detailsOf(method, intent, created),
    radar_options: {},
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: intent.statement_descriptor,
    statement_descriptor_suffix: intent.statement_descriptor_suffix,
    status,
    transfer_data: null,
    transfer_group: intent.transfer_group,
  };
}

function outcomeOf(status: ChargeFacts['status'], declineCode: string | undefined): Stripe.Charge['outcome'] {
  const isFailed = status === 'failed';
  return {
    advice_code: null,
    network_advice_code: null,
    network_decline_code: null,
    network_status: isFailed ? 'declined_by_network' : 'approved_by_network',
    reason: declineCode ?? null,
    risk_level: 'normal',
    seller_message: isFailed ? 'The bank did not return any further details with this decline.' : 'Payment complete.',
    type: isFailed ? 'issuer_declined' : 'authorized',
  };
}

function detailsOf(method: Stripe.PaymentMethod, intent: Stripe.PaymentIntent, created: number): Stripe.Charge['payment_method_details'] {
  if (method.sepa_debit !== undefined) {
    const { bank_code, branch_code, country, fingerprint, last4 } = method.sepa_debit;
    return { type: 'sepa_debit', sepa_debit: { bank_code, branch_code, country, fingerprint, last4, mandate: null } };
  }
  const { brand = null, last4 = null, fingerprint = null, funding = null, country = null } = method.card ?? {};
  const isManual = intent.capture_method === 'manual';
  return {
    type: 'card',
    card: {
      ...EXPIRY,
      amount_authorized: intent.amount,
      authorization_code: null,
      brand,
      ...(isManual ? { capture_before: created + AUTHORIZATION_SECONDS } : {}),
      checks: NO_CHECKS,
      country,
      electronic_commerce_indicator: null,
      extended_authorization: { status: 'disabled' },
      fingerprint,
      funding,
      incremental_authorization: { status: 'unavailable' },
      installments: null,
      last4,
      mandate: null,
      multicapture: { status: 'unavailable' },
      network: brand,
      network_token: { used: false },
      network_transaction_id: null,
      overcapture: { maximum_amount_capturable: intent.amount, status: 'unavailable' },
      regulated_status: 'unregulated',
      three_d_secure: null,
      transaction_link_id: null,
      wallet: null,
    },
  };
}

export function newRefund(
  charge: Stripe.Charge,
  facts: Pick<Stripe.Refund, 'amount' | 'created' | 'metadata' | 'reason' | 'status'>,
): Stripe.Refund {
  return {
    id: newId('re'),
    object: 'refund',
    balance_transaction: null,
    charge: charge.id,
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: 'pending', reference_type: 'acquirer_reference_number', type: 'refund' },
      type: 'card',
    },
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    receipt_number: null,
    source_transfer_reversal: null,
    transfer_reversal: null,
    ...facts,
  };
}

/** A movement of the balance; `amount` is negative when it leaves. */
export function newBalanceTransaction(
  facts: Pick<Stripe.BalanceTransaction, 'amount' | 'fee' | 'currency' | 'type' | 'created'> & {
    readonly source: string;
  },
): Stripe.BalanceTransaction {
  const { amount, fee, currency, type } = facts;
  const part = { amount: fee, application: null, currency, description: 'Simulated processing fee', type: 'stripe_fee' };
  return {
    id: newId('txn'),
    object: 'balance_transaction',
    available_on: facts.created + 2 * 86_400,
    balance_type: 'payments',
    description: null,
    exchange_rate: null,
    fee_details: fee === 0 ? [] : [part],
    net: amount - fee,
    reporting_category: type,
    status: 'pending',
    ...facts,
  };
}

export function newCustomer(created: number, given: Partial<Stripe.Customer>): Stripe.Customer {
  return {
    id: newId('cus', 14),
    object: 'customer',
    address: null,
    balance: 0,
    created,
    currency: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
    livemode: false,
    metadata: {},
    name: null,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
    ...given,
  };
}
