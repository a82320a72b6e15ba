import type * as z from 'zod';

/** Digits in groups, with what people write between the groups of a card's number. */
const RUN = /\d+(?:[\s._\-/\u2010-\u2015]{1,3}\d+)*/g;
/** Ids of rows and hashes hold any digits, and are no card's. */
const IDS = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{24,}(?![0-9a-z])/gi;
/** By the first digits, what issuers give out; barcodes of 13 digits are none. */
const CARD = new RegExp(
  [
    String.raw`4(?:\d{15}|\d{18})`, // Visa
    String.raw`[56]\d{15,18}`, // Mastercard, Maestro, Discover, UnionPay
    String.raw`2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}`, // Mastercard
    String.raw`3[47]\d{13}`, // American Express
    String.raw`3(?:0[0-5]|[689]\d)\d{11}`, // Diners Club
    String.raw`35(?:2[89]|[3-8]\d)\d{12,15}`, // JCB
  ]
    .map((issuer) => `^${issuer}$`)
    .join('|'),
);
const MIN_DIGITS = 14;
const MAX_DIGITS = 19;

/** Whether a text holds digits that look like the number of a payment card, whatever digits stand before and behind it. */
export function holdsCardNumber(text: string): boolean {
  const runs = text.normalize('NFKC').replaceAll(IDS, 'x').match(RUN) ?? [];
  return runs.some((run) => {
    const groups = run.match(/\d+/g) ?? [];
    return groups.some((_group, from) => startsCard(groups.slice(from, from + MAX_DIGITS)));
  });
}

/** Whether some of the first of these groups are a card's number together. */
function startsCard(groups: readonly string[]): boolean {
  let digits = '';
  for (const [index, group] of groups.entries()) {
    digits += group;
    if (digits.length > MAX_DIGITS) return false;
    if (digits.length >= MIN_DIGITS && CARD.test(digits) && passesLuhn(digits) && isCardGrouping(groups.slice(0, index + 1))) return true;
  }
  return false;
}

/** Groups of four and more, or of one size: dates and telephone numbers in a row are written otherwise. */
function isCardGrouping(groups: readonly string[]): boolean {
  const [first = ''] = groups;
  const [last = ''] = groups.slice(-1);
  const before = groups.slice(0, -1);
  return (
    before.every(({ length }) => length >= 4) || (before.every(({ length }) => length === first.length) && last.length <= first.length)
  );
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
