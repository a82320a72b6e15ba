import * as z from 'zod';
import { Instant } from './operation.ts';
import { pageOf } from './routes.ts';

const MAX_ATTRIBUTES = 50;

/** The host application's own id for its user; no e-mail address, since ids are seen in logs. */
export const UserParams = z.object({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$/, 'must be 1 to 128 of A-Z, a-z, 0-9 and . _ : ~ -, and start with a letter or digit')
    .meta({ example: 'u_42' }),
});

const Attribute = z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]);

export const UserContent = z
  .strictObject({
    email: z.email('must be one e-mail address').max(254).optional().meta({ example: 'ada@example.com' }),
    timeZone: z
      .string()
      .max(64)
      .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
      .optional()
      .meta({ example: 'Europe/Berlin' }),
    locale: z.string().max(64).refine(isLocale, 'must be a BCP 47 language tag such as de-AT').optional().meta({ example: 'de-AT' }),
    attributes: z
      .record(z.string().min(1).max(64), Attribute)
      .refine((value) => Object.keys(value).length <= MAX_ATTRIBUTES, `at most ${MAX_ATTRIBUTES} entries`)
      .default({})
      .meta({ description: 'Your own values.', example: { plan: 'pro' } }),
  })
  .meta({ id: 'UserContent' });
export type UserContent = z.output<typeof UserContent>;

export const User = z
  .object({
    id: z.string(),
    object: z.literal('user'),
    createdAt: Instant,
    updatedAt: Instant,
    email: z.string().optional(),
    timeZone: z.string().optional(),
    locale: z.string().optional(),
    attributes: z.record(z.string(), Attribute),
  })
  .meta({ id: 'User' });

export const UserPage = pageOf(User, 'UserPage');

/** Whether it names a zone of the IANA's list. */
export function isTimeZone(name: string): boolean {
  // Offsets such as +01:00 are accepted by Intl too, but have no daylight saving rules and so are no place where somebody lives.
  if (/^[+-]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}

/** Whether it is a language tag by BCP 47. */
export function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
