import * as z from 'zod';

/** How a transaction with the mail server ended. `lost`: the mail was taken and the reply dropped. */
export const JournalEntry = z.object({
  at: z.number(),
  outcome: z.enum(['accepted', 'lost', 'put_off', 'dropped']),
  recipient: z.string(),
  /** Empty where no body came. */
  messageId: z.string(),
  /** Of the mail, where one came. */
  subject: z.string().optional(),
  /** Addresses of the load that the mail's own text mentions; those of bcc must not be among them. */
  mentioned: z.array(z.string()),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

/** True for a mail that the server has. */
export function hasArrived({ outcome }: JournalEntry): boolean {
  return outcome === 'accepted' || outcome === 'lost';
}

/** What the look-up knows of a mail: the headers that the sender gave, and how many bytes came. */
export interface StoredMail {
  readonly headers: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
}

/** Header fields by lower-case name. */
export function headersOf(source: string): Readonly<Record<string, string>> {
  const head = source.slice(0, source.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  return Object.fromEntries(
    head.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]];
    }),
  );
}

/** Addresses of the load in a text. */
export function addressesIn(text: string): string[] {
  return [...new Set(text.match(/m\d+-\d+@chaos\.example/g))];
}
