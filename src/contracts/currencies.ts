/** How the payment provider counts a currency. */
export interface Currency {
  /** In capitals. */
  readonly code: string;
  /** Digits of the smallest unit that amounts are given in: 2 for EUR, whose 10.00 is 1000. */
  readonly decimals: 0 | 2 | 3;
  /** A chargeable amount is a multiple of this: 100 where fractions exist in the notation only, 10 where the last of three digits must be 0. */
  readonly multipleOf: 1 | 10 | 100;
}

const ZERO_DECIMALS = 'BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF';
const THREE_DECIMALS = 'BHD JOD KWD OMR TND';
/** Without fractions by now, but written with two zeros as before. */
const TWO_ZEROS = 'ISK UGX';
const TWO_DECIMALS =
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ' +
  'ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP ' +
  'MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB ' +
  'TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW';

/**
 * The currencies that money can be taken in, by code. Stripe's own units: neither ISO 4217 nor Intl has the same (MGA, ISK, UGX, HUF differ).
 * HUF and TWD are charged with two decimals; only payouts of them are whole.
 */
export const CURRENCIES: ReadonlyMap<string, Currency> = new Map(
  [
    ...rows(ZERO_DECIMALS, { decimals: 0, multipleOf: 1 }),
    ...rows(TWO_DECIMALS, { decimals: 2, multipleOf: 1 }),
    ...rows(TWO_ZEROS, { decimals: 2, multipleOf: 100 }),
    ...rows(THREE_DECIMALS, { decimals: 3, multipleOf: 10 }),
  ].map((currency) => [currency.code, currency]),
);

/** The largest amount that is taken in one payment: eight digits. */
export const LARGEST_AMOUNT = 99_999_999;

/** Stripe's smallest charges, in minor units, of the currencies that have a documented one. */
const SMALLEST: Readonly<Record<string, number>> = {
  ...{ AED: 200, AUD: 50, BGN: 100, BRL: 50, CAD: 50, CHF: 50, CZK: 1500, DKK: 250, EUR: 50, GBP: 30, HKD: 400, HUF: 17_500, INR: 50 },
  ...{ JPY: 50, MXN: 1000, MYR: 200, NOK: 300, NZD: 50, PLN: 200, RON: 200, SEK: 300, SGD: 50, THB: 1000, USD: 50 },
};

/** The least that can be taken in one payment; 1 where Stripe names none. */
export function smallestAmount(currencyCode: string): number {
  return SMALLEST[currencyCode] ?? 1;
}

/** Why not this much of a currency can be taken or given back, whatever it is a part of; undefined when it can. */
export function fractionProblem(amount: number, currencyCode: string): string | undefined {
  const multipleOf = CURRENCIES.get(currencyCode)?.multipleOf ?? 1;
  return amount % multipleOf === 0 ? undefined : `Amounts in ${currencyCode} must be multiples of ${multipleOf}.`;
}

/** Why this amount can't be charged, for the one who asks for it; undefined when it can. */
export function amountProblem(amount: number, currencyCode: string): string | undefined {
  const currency = CURRENCIES.get(currencyCode);
  if (currency === undefined) return `${currencyCode} is no currency that payments can be taken in.`;
  if (!Number.isSafeInteger(amount) || amount <= 0) return 'An amount is a whole number of the smallest unit, above 0.';
  if (amount > LARGEST_AMOUNT) return `At most ${LARGEST_AMOUNT} can be taken in one payment.`;
  return fractionProblem(amount, currencyCode);
}

/** `12.50 EUR`, the same on every machine. */
export function formatMoney({ amount, currency }: { readonly amount: number; readonly currency: string }): string {
  const decimals = CURRENCIES.get(currency)?.decimals ?? 2;
  const digits = String(Math.abs(amount)).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = decimals === 0 ? '' : `.${digits.slice(-decimals)}`;
  return `${amount < 0 ? '-' : ''}${whole}${fraction} ${currency}`;
}

function rows(codes: string, unit: Omit<Currency, 'code'>): readonly Currency[] {
  return codes.split(' ').map((code) => ({ code, ...unit }));
}
