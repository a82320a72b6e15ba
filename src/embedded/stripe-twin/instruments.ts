/** What a test payment method does when it is charged. */
export interface Instrument {
  readonly type: 'card' | 'sepa_debit';
  readonly brand: string;
  readonly last4: string;
  readonly decline?: DeclineReason;
  /** The buyer has to approve in a page of the bank's. A decline, where there is one, comes after that. */
  readonly needsAuthentication?: true;
  /** The outcome is known after this time; until then the payment is processing. */
  readonly delayMs?: number;
  readonly refund?: 'pending' | 'failing';
  /** For people. */
  readonly title: string;
}

export interface DeclineReason {
  readonly code: string;
  readonly declineCode?: string;
  readonly message: string;
}

/** Stripe says "at least three minutes" of its delayed ones. */
const DELAYED_MS = 3 * 60_000;
const SOON_MS = 2_000;

const GENERIC = decline('card_declined', 'generic_decline', 'Your card was declined.');
const INSUFFICIENT_FUNDS = decline('card_declined', 'insufficient_funds', 'Your card has insufficient funds.');

/** The ids of Stripe's test payment methods that the simulator knows. */
export const INSTRUMENTS: ReadonlyMap<string, Instrument> = new Map(
  Object.entries({
    pm_card_visa: card('visa 4242', 'Pays'),
    pm_card_visa_debit: card('visa 5556', 'Pays'),
    pm_card_mastercard: card('mastercard 4444', 'Pays'),
    pm_card_amex: card('amex 8431', 'Pays'),
    pm_card_chargeDeclined: card('visa 0002', 'Is declined', { decline: GENERIC }),
    pm_card_visa_chargeDeclined: card('visa 0002', 'Is declined', { decline: GENERIC }),
    pm_card_chargeDeclinedInsufficientFunds: card('visa 9995', 'Has too little money', { decline: INSUFFICIENT_FUNDS }),
    pm_card_visa_chargeDeclinedInsufficientFunds: card('visa 9995', 'Has too little money', { decline: INSUFFICIENT_FUNDS }),
    pm_card_visa_chargeDeclinedLostCard: card('visa 9987', 'Was lost', {
      decline: decline('card_declined', 'lost_card', 'Your card was declined.'),
    }),
    pm_card_visa_chargeDeclinedStolenCard: card('visa 9979', 'Was stolen', {
      decline: decline('card_declined', 'stolen_card', 'Your card was declined.'),
    }),
    pm_card_chargeDeclinedExpiredCard: card('visa 0069', 'Has expired', {
      decline: decline('expired_card', 'expired_card', 'Your card has expired.'),
    }),
    pm_card_chargeDeclinedIncorrectCvc: card('visa 0127', 'Has another security code', {
      decline: decline('incorrect_cvc', 'incorrect_cvc', "Your card's security code is incorrect."),
    }),
    pm_card_chargeDeclinedProcessingError: card('visa 0119', 'Cannot be processed now', {
      decline: decline('processing_error', 'processing_error', 'An error occurred while processing your card. Try again in a little bit.'),
    }),
    pm_card_authenticationRequired: card('visa 3184', 'Must be approved (3D Secure), then pays', { needsAuthentication: true }),
    pm_card_threeDSecure2Required: card('visa 3220', 'Must be approved (3D Secure), then pays', { needsAuthentication: true }),
    pm_card_authenticationRequiredChargeDeclinedInsufficientFunds: card('visa 8260', 'Must be approved, then has too little money', {
      needsAuthentication: true,
      decline: INSUFFICIENT_FUNDS,
    }),
    pm_card_pendingRefund: card('visa 7726', 'Pays; refunds of it stay pending for 2 s', { refund: 'pending' }),
    pm_card_refundFail: card('visa 5126', 'Pays; refunds of it fail after 2 s', { refund: 'failing' }),
    pm_success_de: debit('3000', 'Direct debit (EUR): pays after 2 s', { delayMs: SOON_MS }),
    pm_successDelayed_de: debit('3003', 'Direct debit (EUR): pays after 3 minutes', { delayMs: DELAYED_MS }),
    pm_failed_de: debit('3001', 'Direct debit (EUR): fails after 2 s', { delayMs: SOON_MS, decline: failedDebit() }),
    pm_failedDelayed_de: debit('3004', 'Direct debit (EUR): fails after 3 minutes', { delayMs: DELAYED_MS, decline: failedDebit() }),
    pm_insufficientFunds_de: debit('2227', 'Direct debit (EUR): the account has too little money, known after 2 s', {
      delayMs: SOON_MS,
      decline: { code: 'insufficient_funds', message: 'The customer has insufficient funds to cover this payment.' },
    }),
  } satisfies Record<string, Instrument>),
);

type Behaviour = Partial<Pick<Instrument, 'decline' | 'needsAuthentication' | 'delayMs' | 'refund'>>;

function card(look: string, title: string, behaviour: Behaviour = {}): Instrument {
  const [brand = '', last4 = ''] = look.split(' ');
  return { type: 'card', brand, last4, title, ...behaviour };
}

function debit(last4: string, title: string, behaviour: Behaviour): Instrument {
  return { type: 'sepa_debit', brand: 'sepa_debit', last4, title, ...behaviour };
}

function decline(code: string, declineCode: string, message: string): DeclineReason {
  return { code, declineCode, message };
}

function failedDebit(): DeclineReason {
  return { code: 'debit_not_authorized', message: 'The payment failed because the customer’s bank did not authorize the debit.' };
}
