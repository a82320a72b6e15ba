import type { ProductContent } from '../../contracts/checkout/products.ts';

type Prices = Readonly<Record<'EUR' | 'JPY' | 'KWD', number>>;

/** Something to buy in a new installation, in a currency with two, with no and with three decimals. */
export const DEMO_PRODUCTS: Readonly<Record<string, ProductContent>> = {
  'brass-gear': article('Brass gear, 24 teeth', { EUR: 1990, JPY: 3200, KWD: 6_650 }, 120),
  'difference-engine': article('Difference engine, desk model', { EUR: 249_000, JPY: 398_000, KWD: 829_000 }, 3),
  'oil-lamp': article('Oil lamp for the night shift', { EUR: 4_550, JPY: 7_300, KWD: 15_150 }, 40),
  'pocket-orrery': article('Pocket orrery', { EUR: 8_900, JPY: 14_200, KWD: 29_650 }, 12),
  'punched-cards': { ...article('Punched cards, pack of 100', { EUR: 1_250, JPY: 2_000, KWD: 4_150 }, 500), taxPercent: 7 },
  'table-of-logarithms': {
    ...article('Table of logarithms, last printed copy', { EUR: 3_300, JPY: 5_300, KWD: 11_000 }, 1),
    taxPercent: 7,
    prices: [{ amount: 3_300, currency: 'EUR' }],
  },
};

export const DEMO_SHIPPING = [
  { currency: 'EUR', amount: 490, free_from_amount: 10_000, tax_basis_points: 1_900 },
  { currency: 'JPY', amount: 800, free_from_amount: 16_000, tax_basis_points: 1_900 },
  { currency: 'KWD', amount: 1_650, free_from_amount: 33_000, tax_basis_points: 1_900 },
] as const;

function article(name: string, prices: Prices, stock: number): ProductContent {
  return {
    name,
    prices: Object.entries(prices).map(([currency, amount]) => ({ amount, currency })),
    taxPercent: 19,
    stock,
    isActive: true,
  };
}
