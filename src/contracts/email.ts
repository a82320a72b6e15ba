import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { PlannedEffect } from './kinds.ts';
import { Instant } from './operation.ts';

const MAX_RECIPIENTS = 50;
const MAX_HTML_CHARS = 500_000;

/** One address, `ada@example.com` or `Ada <ada@example.com>`; no line breaks, so no header can be smuggled in. */
export const Address = z
  .string()
  .max(320)
  .regex(/^[^\r\n]*$/, 'must be on one line')
  .refine(isOneAddress, 'must be one e-mail address')
  .meta({ example: 'ada@example.com' });

const AddressList = z.union([Address.transform((one) => [one]), z.array(Address).min(1).max(MAX_RECIPIENTS)]);

export const EmailCategory = z.enum(['transactional', 'bulk']).meta({ id: 'EmailCategory' });

/** What a mail is made of. One SMTP transaction and one effect per recipient; all carry the same Message-ID. */
export const EmailContent = z.strictObject({
  to: AddressList.meta({ description: 'One address or a list.', example: 'ada@example.com' }),
  cc: AddressList.optional(),
  bcc: AddressList.optional().meta({ description: 'Recipients whom nobody else sees.' }),
  replyTo: Address.optional(),
  subject: z
    .string()
    .min(1)
    .max(998)
    .regex(/^[^\r\n]*$/, 'must be on one line')
    .meta({ example: 'Hello' }),
  html: z.string().max(MAX_HTML_CHARS).optional(),
  text: z.string().max(MAX_HTML_CHARS).optional().meta({ example: 'It works.' }),
  category: EmailCategory.optional().meta({
    description:
      '`bulk` mail can be refused by its recipients: it carries List-Unsubscribe with one-click, and `{{unsubscribeUrl}}` in html and ' +
      'text becomes each recipient’s own link. Default `transactional`.',
  }),
});
export type EmailContent = z.infer<typeof EmailContent>;

/** What a schema of single fields can't say; reported on the field that must change. */
export function checkEmail(mail: EmailContent, context: z.core.$RefinementCtx): void {
  if (mail.html === undefined && mail.text === undefined) {
    context.addIssue({ code: 'custom', path: ['text'], message: 'is required when html is missing' });
  }
  if (recipientsOf(mail).length > MAX_RECIPIENTS) {
    context.addIssue({ code: 'custom', path: ['to'], message: `at most ${MAX_RECIPIENTS} recipients in all` });
  }
}

export const RecipientState = z.enum(['pending', 'sending', 'sent', 'refused', 'suppressed', 'cancelled', 'unknown']).meta({
  id: 'RecipientState',
  description:
    '`suppressed`: the recipient is among the suppressions, so nothing was sent. `unknown`: the server took the whole message, no answer ' +
    'came, and nobody could be asked.',
});
export type RecipientState = z.infer<typeof RecipientState>;

export interface Recipient {
  readonly address: string;
  readonly role: 'to' | 'cc' | 'bcc';
}

/** Everybody who gets the mail, each address once, in the order to, cc, bcc. Addresses compare without regard to case. */
export function recipientsOf(mail: EmailContent): readonly Recipient[] {
  const seen = new Set<string>();
  const all: Recipient[] = [];
  for (const role of ['to', 'cc', 'bcc'] as const) {
    for (const entry of mail[role] ?? []) {
      const address = bareAddress(entry);
      if (seen.has(address.toLowerCase())) continue;
      seen.add(address.toLowerCase());
      all.push({ address, role });
    }
  }
  return all;
}

/** `Ada <ada@example.com>` → `ada@example.com`. */
export function bareAddress(entry: string): string {
  return (/<([^<>]+)>\s*$/.exec(entry)?.[1] ?? entry).trim();
}

function isOneAddress(entry: string): boolean {
  return z.email().max(254).safeParse(bareAddress(entry)).success && !/[,;]/.test(entry.replace(/"[^"]*"/, ''));
}

export const Email = z
  .object({
    id: z.uuid(),
    object: z.literal('email'),
    createdAt: Instant,
    operationId: z.uuid().meta({ description: 'The latest attempt.' }),
    status: z.string(),
    messageId: z.string(),
    subject: z.string(),
    category: EmailCategory,
    recipients: z.array(
      z.object({
        address: z.string(),
        role: z.enum(['to', 'cc', 'bcc']),
        state: RecipientState,
        smtpCode: z.int().optional().meta({ description: 'The last answer of the mail server for this recipient.' }),
        updatedAt: Instant.optional(),
      }),
    ),
  })
  .meta({ id: 'Email' });
export type Email = z.infer<typeof Email>;

/** Signal: don't wait for the next try of recipients whom the server put off; try now. */
export const RetryNow = z.strictObject({ reason: z.string().max(500).optional() });

export const EmailResult = z.object({
  messageId: z.string(),
  sent: z.int(),
  refused: z.int().meta({ description: 'By the mail server, for good.' }),
  suppressed: z.int().meta({ description: 'Not sent, since these recipients are among the suppressions.' }),
  unknown: z.int(),
  cancelled: z.int(),
});
export type EmailResult = z.infer<typeof EmailResult>;

/** The effects that a mail asks for, one per recipient. The step names no address: it goes into keys. */
export function emailEffects(mail: EmailContent, rootId: string): readonly EmailEffect[] {
  const content = JSON.stringify([mail.to, mail.cc ?? [], mail.replyTo ?? '', mail.subject, mail.html ?? '', mail.text ?? '']);
  const digest = sha256(content);
  const bulk = mail.category === 'bulk';
  return recipientsOf(mail).map(({ address, role }) => ({
    step: `send/${sha256(`${rootId}/${address.toLowerCase()}`).slice(0, 24)}`,
    digest,
    reaches: { address: address.toLowerCase(), bulk },
    address,
    role,
  }));
}

export type EmailEffect = Recipient & Required<PlannedEffect>;

/** RFC 5322 Message-ID, the same for every recipient and every attempt. */
export function emailMessageId(rootId: string): string {
  return `<${rootId}@mail.nightshift>`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
