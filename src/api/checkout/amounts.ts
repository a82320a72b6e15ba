import { CURRENCIES, fractionProblem } from '../../contracts/currencies.ts';
import { HttpProblem } from '../lib/problems.ts';

/** What amounts of a currency must be that has no such fractions. */
export function wholeRule(currency: string): string {
  return `must be a multiple of ${CURRENCIES.get(currency)?.multipleOf ?? 1} in ${currency}`;
}

/** @throws {HttpProblem} for fractions that the currency does not have */
export function requireWhole(amount: number, currency: string): void {
  if (fractionProblem(amount, currency) !== undefined) throw badAmount(wholeRule(currency));
}

/** The field `amount` of a request is wrong. */
export function badAmount(message: string): HttpProblem {
  return new HttpProblem('invalid_request', `/amount ${message}.`, { errors: [{ pointer: '/amount', message }] });
}
