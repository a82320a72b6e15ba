import { CURRENCIES } from '../../contracts/currencies.ts';
import { invalid } from './errors.ts';

/** Refuses fractions that a currency does not have. @throws invalid */
export function requireWhole(amount: number, currency: string, param: string): void {
  const multipleOf = CURRENCIES.get(currency.toUpperCase())?.multipleOf ?? 1;
  if (amount % multipleOf !== 0) throw invalid(`Invalid amount: must be divisible by ${multipleOf} in ${currency}`, { param });
}
