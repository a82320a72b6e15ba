import { createHash } from 'node:crypto';
import * as z from 'zod';
import { withoutCardNumbers } from './card-numbers.ts';
import { NewAttachments, type StoredAttachment } from './email-attachments.ts';
import type { PlannedEffect } from './kinds.ts';
import { Instant } from './operation.ts';

const MAX_RECIPIENTS = 50;
export const MAX_HTML_CHARS = 500_000;
export const MAX_SUBJECT_CHARS = 998;

/** One address, `ada@example.com` or `Ada <ada@example.com>`; no line breaks, so no header can be smuggled in. */
export const Address = z
  .string()
  .max(320)
  .regex(/^[^\r\n]*$/, 'must be on one line')
  .refine(isOneAddress, 'must be one e-mail address')
  .meta({ example: 'ada@example.com' });

const AddressList = z.union([Address.transform((one) => [one]), z.array(Address).min(1).max(MAX_RECIPIENTS)]);

export const EmailCategory = z.enum(['transactional', 'bulk']).meta({ id: 'EmailCategory' });

export const TemplateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be 1 to 64 of a-z, 0-9 and -, and start with a letter or digit')
  .meta({ example: 'welcome' });

export const TemplateLocale = z
  .string()
  .max(64)
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, 'must be a BCP 47 language tag such as de-AT')
  .meta({ description: 'The nearest that the template has is taken: de-AT, else de, else en.', example: 'de-AT' });

export const TemplateData = z.record(z.string().max(100), z.unknown());

export const EmailDelivery = z.enum(['at_most_once', 'at_least_once_same_id']).meta({
  id: 'EmailDelivery',
  description:
    'What happens when the answer to a whole message is lost and there is no mailbox that can be asked. `at_most_once`: the recipient is ' +
    '`unknown`. `at_least_once_same_id`: it is sent again with the same Message-ID, up to three times, and `possibleDuplicates` counts. ' +
    'Default: `at_most_once` for bulk, `at_least_once_same_id` for transactional mail.',
});

/** What a mail is made of. One SMTP transaction and one effect per recipient; all carry the same Message-ID. */
export const EmailInput = z.strictObject({
  to: AddressList.meta({ description: 'One address or a list.', example: 'ada@example.com' }),
  cc: AddressList.optional(),
  bcc: AddressList.optional().meta({ description: 'Recipients whom nobody else sees.' }),
  replyTo: Address.optional(),
  subject: z
    .string()
    .min(1)
    .max(MAX_SUBJECT_CHARS)
    .regex(/^[^\r\n]*$/, 'must be on one line')
    .optional()
    .meta({ description: 'Required unless there is a `template`.', example: 'Hello' }),
  html: z.string().max(MAX_HTML_CHARS).optional(),
  text: z.string().max(MAX_HTML_CHARS).optional().meta({ example: 'It works.' }),
  template: TemplateName.optional().meta({ description: 'Makes subject, html and text, which are then left out.' }),
  data: TemplateData.optional().meta({ description: 'What the template is filled with, as its schema says.', example: { name: 'Ada' } }),
  locale: TemplateLocale.optional(),
  attachments: NewAttachments.optional().meta({ description: 'At most 5 MB in all, before they are encoded.' }),
  delivery: EmailDelivery.optional(),
  category: EmailCategory.optional().meta({
    description:
      '`bulk` mail can be refused by its recipients: it carries List-Unsubscribe with one-click, and `{{unsubscribeUrl}}` in html and ' +
      'text becomes each recipient’s own link. Default `transactional`.',
  }),
});
export type EmailInput = z.infer<typeof EmailInput>;

/** A mail as it is stored: of a template, what became of it. */
export type EmailContent = Omit<EmailInput, 'data' | 'subject' | 'attachments'> & {
  readonly subject: string;
  readonly attachments?: readonly StoredAttachment[];
};

/** A mail of ours that is made from its template when it is first sent, since nobody waited for it to be accepted. */
export interface UnmadeEmail {
  readonly to: readonly string[];
  readonly template: string;
  readonly locale: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type StoredEmail = EmailContent | UnmadeEmail;

export function isMade(mail: StoredEmail): mail is EmailContent {
  return 'subject' in mail;
}

/** What there is to know of a mail; of one that is not made yet, whom it is for. */
export function contentOf(mail: StoredEmail): EmailContent {
  return isMade(mail) ? mail : { to: [...mail.to], template: mail.template, locale: mail.locale, subject: '' };
}

/** Whether a mail that may have arrived is sent again where nobody can be asked. */
export function isRepeatable({ delivery, category }: Pick<EmailInput, 'delivery' | 'category'>): boolean {
  return delivery === undefined ? category !== 'bulk' : delivery === 'at_least_once_same_id';
}

/** What a schema of single fields can't say; reported on the field that must change. */
export function checkEmail(mail: EmailInput, context: z.core.$RefinementCtx): void {
  const refuse = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message });
  if (mail.template === undefined) {
    if (mail.subject === undefined) refuse('subject', 'is required');
    if (mail.html === undefined && mail.text === undefined) refuse('text', 'is required when html is missing');
    for (const field of ['data', 'locale'] as const) if (mail[field] !== undefined) refuse(field, 'is for mails with a template');
  } else {
    for (const field of ['subject', 'html', 'text'] as const) if (mail[field] !== undefined) refuse(field, 'is made by the template');
  }
  if (recipientsOf(mail).length > MAX_RECIPIENTS) {
    refuse('to', `at most ${MAX_RECIPIENTS} recipients in all`);
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
export function recipientsOf(mail: Pick<EmailInput, 'to' | 'cc' | 'bcc'>): readonly Recipient[] {
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

const IN_BRACKETS = /<([^<>]+)>\s*$/;
const QUOTED = /"(?:[^"\\]|\\.)*"/g;

/** `Ada <ada@example.com>` → `ada@example.com`. */
export function bareAddress(entry: string): string {
  return (IN_BRACKETS.exec(entry)?.[1] ?? entry).trim();
}

/** Made once: making a schema costs more than checking with it. */
const BareAddress = z.email().max(254);

/** A name with a bracket, a list or a group in it would be another address in the header than on the envelope. */
function isOneAddress(entry: string): boolean {
  const name = entry.replace(IN_BRACKETS, '').replaceAll(QUOTED, '');
  return BareAddress.safeParse(bareAddress(entry)).success && !/[,;:<>"]/.test(name);
}

export const Email = z
  .object({
    id: z.uuid(),
    object: z.literal('email'),
    createdAt: Instant,
    operationId: z.uuid().meta({ description: 'The latest attempt.' }),
    status: z.string(),
    messageId: z.string(),
    subject: z.string().meta({ description: 'Empty while a mail of ours, about the end of an operation, is not made yet.' }),
    category: EmailCategory,
    template: z.string().optional(),
    locale: z.string().optional().meta({ description: 'Of the template, the one that was taken.' }),
    attachments: z.array(z.object({ filename: z.string(), contentType: z.string(), sizeBytes: z.int() })).optional(),
    recipients: z.array(
      z.object({
        address: z.string(),
        role: z.enum(['to', 'cc', 'bcc']),
        state: RecipientState,
        smtpCode: z.int().optional().meta({ description: 'The last answer of the mail server for this recipient.' }),
        possibleDuplicates: z.int().optional().meta({ description: 'How often it was sent again without knowing whether it had arrived.' }),
        updatedAt: Instant.optional(),
      }),
    ),
  })
  .meta({ id: 'Email' });
export type Email = z.infer<typeof Email>;

/** Signal: don't wait for the next try of recipients whom the server put off; try now. */
export const RetryNow = z.strictObject({ reason: withoutCardNumbers(z.string().max(500)).optional() });

export const EmailResult = z.object({
  messageId: z.string(),
  sent: z.int(),
  refused: z.int().meta({ description: 'By the mail server, for good.' }),
  suppressed: z.int().meta({ description: 'Not sent, since these recipients are among the suppressions.' }),
  unknown: z.int(),
  cancelled: z.int(),
});
export type EmailResult = z.infer<typeof EmailResult>;

/** The step of one recipient, in whichever attempt. It names no address: it goes into keys. */
export function emailStep(rootId: string, address: string): string {
  return `send/${sha256(`${rootId}/${address.toLowerCase()}`).slice(0, 24)}`;
}

/** The effects that a mail asks for, one per recipient. */
export function emailEffects(mail: EmailContent, rootId: string): readonly EmailEffect[] {
  const files = (mail.attachments ?? []).map(({ filename, contentType, sha256: hash }) => [filename, contentType, hash]);
  const parts = [mail.to, mail.cc ?? [], mail.replyTo ?? '', mail.subject, mail.html ?? '', mail.text ?? ''];
  const content = JSON.stringify(files.length === 0 ? parts : [...parts, files]);
  const digest = sha256(content);
  const bulk = mail.category === 'bulk';
  return recipientsOf(mail).map(({ address, role }) => ({
    step: emailStep(rootId, address),
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
