import { createRandom, type Random } from '../lib/random.ts';

/**
 * What a buyer does. `leaves`: fills a cart and goes. `comes_back`: buys by the link of the first reminder. `unsubscribes`: by what the first
 * reminder carries for that. `refund_fails`: the bank sends the refund back a moment after it was made. `crowds`: wants one of the few pieces
 * that hundreds want at the same moment.
 */
export type Behaviour =
  | 'card'
  | 'crowds'
  | 'refund_fails'
  | 'approves'
  | 'refuses'
  | 'abandons'
  | 'debit'
  | 'failing_debit'
  | 'second_card'
  | 'leaves'
  | 'comes_back'
  | 'unsubscribes';

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
/** Hundreds come for it at once, and there are few. */
export const CROWD_SKU = 'chaos-last';
export const CROWD_STOCK = 50;
const CROWD = 500;
/** Smaller runs have no crowd. */
const CROWD_FROM = 100;
/**
 * In smaller runs the refund of each so manieth buyer comes back: the strike upon that needs one of whose webhooks none was dropped or late,
 * which is about every other one.
 */
const RETURN_EVERY = 5;
const CURRENCIES = ['EUR', 'JPY', 'KWD'] as const;
const REFUND_SHARE = 0.35;
const DOUBLE_SHARE = 0.2;
/** Of those who leave. */
const COME_BACK_SHARE = 0.12;
const UNSUBSCRIBE_SHARE = 0.12;
const OPT_OUT_SHARE = 0.75;
/** About the time of the first reminder, so that some meet it. */
const OPT_OUT_FROM_MS = 4_500;
const OPT_OUT_SPAN_MS = 2_000;

/** One every 200 ms, over the time in which the first reminder goes out. */
const LATE_LEAVERS = 16;
const LATE_OPT_OUT_FROM_MS = 5_100;
const LATE_OPT_OUT_STEP_MS = 200;
const LATE_REFUNDS = 8;
const LATE_SECOND_CARDS = 12;
const LATE_COME_BACK = 3;
const LATE_UNSUBSCRIBE = 3;

const MIX: readonly (readonly [Behaviour, number])[] = [
  ['card', 0.24],
  ['refund_fails', 0.1],
  ['approves', 0.1],
  ['refuses', 0.03],
  ['abandons', 0.04],
  ['debit', 0.08],
  ['failing_debit', 0.04],
  ['second_card', 0.08],
  ['leaves', 0.29],
];
/** Their first answer is that there is a cart. */
const LEAVING: ReadonlySet<Behaviour> = new Set(['leaves', 'comes_back', 'unsubscribes']);
const METHODS: Readonly<Record<Behaviour, readonly string[]>> = {
  card: ['pm_card_visa'],
  crowds: ['pm_card_visa'],
  refund_fails: ['pm_card_refundFail'],
  approves: ['pm_card_authenticationRequired'],
  refuses: ['pm_card_authenticationRequired', 'pm_card_visa'],
  abandons: ['pm_card_authenticationRequired'],
  debit: ['pm_success_de'],
  failing_debit: ['pm_failed_de', 'pm_card_mastercard'],
  second_card: ['pm_card_visa_chargeDeclinedInsufficientFunds', 'pm_card_visa'],
  leaves: [],
  comes_back: ['pm_card_visa'],
  unsubscribes: [],
};

const MUST_PAY: ReadonlySet<Behaviour> = new Set(['card', 'crowds', 'refund_fails', 'debit', 'comes_back']);

/** The same buyers for the same seed. */
export function planBuyers(seed: number, count: number): readonly Buyer[] {
  const isSmall = count < CROWD_FROM;
  return Array.from({ length: count }, (_, ordinal) => {
    const hasReturn = isSmall && ordinal % RETURN_EVERY === RETURN_EVERY - 1;
    return whenReminded(createRandom(seed, 'reminded', ordinal), planBuyer(createRandom(seed, 'buyer', ordinal), { ordinal, hasReturn }));
  });
}

/** Who comes beside them, all at once; their ordinals follow. Nobody knows where they live, so they get no mail. */
export function planCrowd(count: number): readonly Buyer[] {
  if (count < CROWD_FROM) return [];
  return Array.from({ length: CROWD }, (_, index) => ({
    ordinal: count + index,
    behaviour: 'crowds',
    email: `m${count + index}-0@chaos.example`,
    currency: CURRENCIES[index % CURRENCIES.length] ?? 'EUR',
    sku: CROWD_SKU,
    quantity: 1,
    methods: METHODS.crowds,
    isDouble: index % 5 === 0,
    refunds: [],
    wantsReminders: false,
    optsOutAfterMs: undefined,
  }));
}

/**
 * Who comes when all others have left, and nothing is killed any more: what depends on a moment is met in quiet. Some take their agreement
 * back just when the first reminder is on its way, some are given money back by a call that goes wrong at first, some are declined and
 * pay by another card while the news of that is acted on, and some do what the first reminder has links for. The last one's refund comes
 * back, and the app is killed upon that.
 */
export function planAfterwards(firstOrdinal: number): { readonly many: readonly Buyer[]; readonly last: Buyer } {
  const planned = [
    ...Array.from({ length: LATE_LEAVERS }, (_, index): Partial<Buyer> => ({
      behaviour: 'leaves',
      optsOutAfterMs: LATE_OPT_OUT_FROM_MS + LATE_OPT_OUT_STEP_MS * index,
    })),
    ...Array.from({ length: LATE_REFUNDS }, (): Partial<Buyer> => ({ refunds: [0.3], behaviour: 'card' })),
    ...Array.from({ length: LATE_SECOND_CARDS }, (): Partial<Buyer> => ({ behaviour: 'second_card' })),
    ...Array.from({ length: LATE_COME_BACK }, (): Partial<Buyer> => ({ behaviour: 'comes_back' })),
    ...Array.from({ length: LATE_UNSUBSCRIBE }, (): Partial<Buyer> => ({ behaviour: 'unsubscribes' })),
    { refunds: [1], behaviour: 'refund_fails' } as const,
  ];
  const buyers = planned.map(({ behaviour = 'card', ...more }, index): Buyer => {
    const ordinal = firstOrdinal + index;
    const [currency, sku] = [CURRENCIES[index % CURRENCIES.length] ?? 'EUR', SKUS[index % SKUS.length] ?? SKUS[0]];
    return {
      ...{ ordinal, behaviour, email: `m${ordinal}-0@chaos.example`, currency, sku, quantity: 1, methods: METHODS[behaviour] },
      ...{ isDouble: false, refunds: [], wantsReminders: LEAVING.has(behaviour), optsOutAfterMs: undefined },
      ...more,
    };
  });
  const [last, ...many] = buyers.toReversed();
  if (last === undefined) throw new Error('There is always one.');
  return { many: many.toReversed(), last };
}

/** Pieces of each product that the shop begins with. */
export function shelf(buyers: readonly Buyer[]): ReadonlyMap<string, number> {
  const hasCrowd = buyers.some(({ behaviour }) => behaviour === 'crowds');
  return new Map([...SKUS.map((sku): [string, number] => [sku, STOCK]), ...(hasCrowd ? [[CROWD_SKU, CROWD_STOCK] as const] : [])]);
}

/** Whether money must have been taken when all is over, whatever was killed. Who has to act in time may come too late. */
export function mustPay({ behaviour }: Buyer): boolean {
  return MUST_PAY.has(behaviour);
}

/** Whether strikes wait for the money of this buyer. Who comes back after a reminder is late, and whoever abandons brings none. */
export function isWaitedFor({ behaviour }: Buyer): boolean {
  return !LEAVING.has(behaviour) && behaviour !== 'abandons';
}

function planBuyer(random: Random, { ordinal, hasReturn }: { readonly ordinal: number; readonly hasReturn: boolean }): Buyer {
  const lot = random.next();
  const behaviour = hasReturn ? 'refund_fails' : drawn(lot);
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

/** What becomes of some who leave once they are reminded. Drawn apart, so that it changes nothing else of a seed's plan. */
function whenReminded(random: Random, buyer: Buyer): Buyer {
  if (buyer.behaviour !== 'leaves') return buyer;
  const lot = random.next();
  if (lot >= COME_BACK_SHARE + UNSUBSCRIBE_SHARE) return buyer;
  const behaviour = lot < COME_BACK_SHARE ? 'comes_back' : 'unsubscribes';
  return { ...buyer, behaviour, methods: METHODS[behaviour], optsOutAfterMs: undefined };
}

function drawn(lot: number): Behaviour {
  let left = lot;
  for (const [behaviour, share] of MIX) {
    if (left < share) return behaviour;
    left -= share;
  }
  return 'card';
}
