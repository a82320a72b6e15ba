import type * as z from 'zod';

/** Digits as people write card numbers, in groups or not. Barcodes of 13 digits are none. */
const CANDIDATE = /(?<![\dA-Za-z])\d(?:[ .\u00A0-]?\d){13,18}(?![\dA-Za-z])/g;
/** Payment cards begin with 2 to 6; of those with 14 digits only these are cards. */
const CARD_START = /^(?:[2-6]\d{14,18}|3(?:0[0-5]|[689]\d)\d{11})$/;

/** Whether a text holds digits that look like the number of a payment card. */
export function holdsCardNumber(text: string): boolean {
  const candidates = text.match(CANDIDATE) ?? [];
  return candidates.map((candidate) => candidate.replaceAll(/\D/g, '')).some((digits) => CARD_START.test(digits) && passesLuhn(digits));
}

const MESSAGE = 'must not hold a card number: those are for the payment provider’s form alone';

/** The schema, and: no text in it may hold the number of a payment card, which is for the payment provider's form only. */
export function withoutCardNumbers<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.superRefine(refuseCardNumbers);
}

/** The same as a check of what a schema has read. */
export function refuseCardNumbers(value: unknown, context: z.core.$RefinementCtx): void {
  for (const path of cardNumberPaths(value)) context.addIssue({ code: 'custom', path, message: MESSAGE });
}

function cardNumberPaths(value: unknown, path: PropertyKey[] = []): PropertyKey[][] {
  if (typeof value === 'string') return holdsCardNumber(value) ? [path] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, nested]) => cardNumberPaths(nested, [...path, key]));
}

function passesLuhn(digits: string): boolean {
  const total = [...digits].toReversed().reduce((sum, digit, index) => {
    const value = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
  return total % 10 === 0;
}
