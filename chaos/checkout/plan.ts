import { createRandom } from '../lib/random.ts';

/** What a buyer does. `leaves`: fills a cart and goes. `refund_fails`: the bank sends the refund back a moment after it was made. */
export type Behaviour =
  | 'card'
  | 'refund_fails'
  | 'approves'
  | 'refuses'
  | 'abandons'
  | 'debit'
  | 'failing_debit'
  | 'second_card'
  | 'leaves';

export interface Buyer {
  readonly ordinal: number;
  readonly behaviour: Behaviour;
  /** Used by this buyer alone. */
  readonly email: string;
  readonly currency: string;
  readonly sku: string;
  readonly quantity: number;
  /** Payment methods, tried one after another. */
  readonly methods: readonly string[];
  /** Presses the button twice at once. */
  readonly isDouble: boolean;
  /** Shares of what was paid that are given back, one refund after another. */
  readonly refunds: readonly number[];
  readonly wantsReminders: boolean;
  /** Takes agreement to reminders back this long after the cart was filled. */
  readonly optsOutAfterMs: number | undefined;
}

export const SKUS = ['chaos-gear', 'chaos-lamp', 'chaos-lens'] as const;
export const STOCK = 5_000;
const CURRENCIES = ['EUR', 'JPY', 'KWD'] as const;
const REFUND_SHARE = 0.25;
const DOUBLE_SHARE = 0.2;
const OPT_OUT_SHARE = 0.6;
/** About the time of the first reminder, so that some meet it. */
const OPT_OUT_FROM_MS = 4_000;
const OPT_OUT_SPAN_MS = 2_500;

const MIX: readonly (readonly [Behaviour, number])[] = [
  ['card', 0.32],
  ['refund_fails', 0.04],
  ['approves', 0.12],
  ['refuses', 0.03],
  ['abandons', 0.04],
  ['debit', 0.1],
  ['failing_debit', 0.05],
  ['second_card', 0.1],
  ['leaves', 0.2],
];
const METHODS: Readonly<Record<Behaviour, readonly string[]>> = {
  card: ['pm_card_visa'],
  refund_fails: ['pm_card_refundFail'],
  approves: ['pm_card_authenticationRequired'],
  refuses: ['pm_card_authenticationRequired', 'pm_card_visa'],
  abandons: ['pm_card_authenticationRequired'],
  debit: ['pm_success_de'],
  failing_debit: ['pm_failed_de', 'pm_card_mastercard'],
  second_card: ['pm_card_visa_chargeDeclinedInsufficientFunds', 'pm_card_visa'],
  leaves: [],
};

/** The same buyers for the same seed. */
export function planBuyers(seed: number, count: number): readonly Buyer[] {
  return Array.from({ length: count }, (_, ordinal) => planBuyer(seed, ordinal));
}

/** Whether money must have been taken when all is over, whatever was killed. Who has to act in time may come too late. */
export function mustPay({ behaviour }: Buyer): boolean {
  return behaviour === 'card' || behaviour === 'refund_fails' || behaviour === 'debit';
}

function planBuyer(seed: number, ordinal: number): Buyer {
  const random = createRandom(seed, 'buyer', ordinal);
  const behaviour = drawn(random.next());
  const isDebit = behaviour === 'debit' || behaviour === 'failing_debit';
  const refunds = !random.chance(REFUND_SHARE) ? [] : random.chance(0.5) ? [1] : random.chance(0.5) ? [0.3] : [0.3, 0.3];
  const leaves = behaviour === 'leaves';
  return {
    ordinal,
    behaviour,
    email: `m${ordinal}-0@chaos.example`,
    currency: isDebit ? 'EUR' : (CURRENCIES[random.below(CURRENCIES.length)] ?? 'EUR'),
    sku: SKUS[random.below(SKUS.length)] ?? SKUS[0],
    quantity: 1 + random.below(3),
    methods: METHODS[behaviour],
    isDouble: !leaves && random.chance(DOUBLE_SHARE),
    refunds: behaviour === 'refund_fails' ? [1] : leaves ? [] : refunds,
    wantsReminders: leaves || random.chance(0.5),
    optsOutAfterMs: leaves && random.chance(OPT_OUT_SHARE) ? OPT_OUT_FROM_MS + random.below(OPT_OUT_SPAN_MS) : undefined,
  };
}

function drawn(lot: number): Behaviour {
  let left = lot;
  for (const [behaviour, share] of MIX) {
    if (left < share) return behaviour;
    left -= share;
  }
  return 'card';
}
