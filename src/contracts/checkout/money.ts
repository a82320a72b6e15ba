import * as z from 'zod';
import { amountProblem, CURRENCIES } from '../currencies.ts';

/** More than any order is worth, and far below what a number holds exactly. */
const MAX_AMOUNT = 99_999_999;

/** A currency in capitals; which of them can be paid in is the payment provider's to say. */
export const Currency = z
  .string()
  .regex(/^[A-Z]{3}$/, 'must be a currency in three capitals such as EUR')
  .refine((code) => CURRENCIES.has(code), 'is no currency that payments can be taken in')
  .meta({ description: 'ISO 4217.', example: 'EUR' });

/** In the smallest unit that the payment provider counts in: cents of EUR, whole JPY, thousandths of KWD. */
export const Amount = z.int().min(0).max(MAX_AMOUNT).meta({ description: 'In minor units.', example: 1999 });

export const Money = z.strictObject({ amount: Amount, currency: Currency }).meta({ id: 'Money' });
export type Money = z.infer<typeof Money>;

/** What a piece costs: nothing, or what can be charged. */
export const Price = Money.superRefine(({ amount, currency }, context) => {
  const problem = amount === 0 || !CURRENCIES.has(currency) ? undefined : amountProblem(amount, currency);
  if (problem !== undefined)
    context.addIssue({ code: 'custom', path: ['amount'], message: problem.replace(/^Amounts in/, 'in').replace(/\.$/, '') });
});
