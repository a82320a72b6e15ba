import type { EmailTemplate, Rendering } from '../../adapters/templates.ts';
import { type EmailInput, MAX_HTML_CHARS, MAX_SUBJECT_CHARS } from '../../contracts/email.ts';
import { decodedBytes, MAX_ATTACHMENT_BYTES, type StoredAttachment } from '../../contracts/email-attachments.ts';
import { UNSUBSCRIBE_PLACEHOLDER } from '../../contracts/email-unsubscribe.ts';
import type { ApiContext, Preparing, PrepareInput } from '../lib/context.ts';
import { parsePart } from '../lib/parse.ts';
import { HttpProblem } from '../lib/problems.ts';

export type Rendered = Extract<Rendering, { readonly outcome: 'rendered' }>;

export interface RenderAsked {
  readonly data: Readonly<Record<string, unknown>>;
  readonly locale?: string | undefined;
  readonly isBulk: boolean;
  /** Where in the request these fields are; pointers of problems begin with it. */
  readonly pointer: string;
}

/**
 * Makes the content of a mail from its template when it is accepted, so that data that does not fit is told to whoever sent it. The data
 * itself is not kept.
 */
export function prepareEmail(ctx: ApiContext): PrepareInput {
  return async (input, asking) => {
    // The kind's schema has checked it.
    const { attachments, ...mail } = input as EmailInput;
    if (attachments === undefined) return fillIn(ctx, mail, asking.pointer);
    checkSize(attachments, `${asking.pointer}/attachments`);
    const filled = await fillIn(ctx, mail, asking.pointer);
    return { ...filled, attachments: await keep(ctx, attachments, asking) };
  };
}

type Attachments = NonNullable<EmailInput['attachments']>;

async function fillIn(ctx: ApiContext, mail: Omit<EmailInput, 'attachments'>, pointer: string): Promise<object> {
  const { template: name, data = {}, locale, ...rest } = mail;
  if (name === undefined) return mail;
  const template = await ctx.templates.find(name);
  if (template === undefined) throw await unknownTemplate(ctx, `${pointer}/template`);
  const isBulk = rest.category === 'bulk';
  const rendered = await renderTemplate(ctx, template, { data, locale, isBulk, pointer });
  return { ...rest, template: name, locale: rendered.locale, subject: rendered.subject, html: rendered.html, text: rendered.text };
}

function checkSize(attachments: Attachments, pointer: string): void {
  const sizeBytes = attachments.reduce((sum, { content }) => sum + decodedBytes(content), 0);
  if (sizeBytes <= MAX_ATTACHMENT_BYTES) return;
  const message = `must have at most ${MAX_ATTACHMENT_BYTES} bytes in all; it has ${sizeBytes}`;
  throw new HttpProblem('payload_too_large', `${pointer} ${message}.`, { errors: [{ pointer, message }] });
}

/** Bytes first, then the mail that names them: a mail never names what is not there. */
async function keep(ctx: ApiContext, attachments: Attachments, { tenantId, now }: Preparing): Promise<readonly StoredAttachment[]> {
  const contents = attachments.map(({ content }) => Buffer.from(content, 'base64'));
  const hashes = await ctx.store.email.keepAttachments(tenantId, contents, now);
  return attachments.map(({ filename, contentType, content }, index) => ({
    filename,
    contentType,
    sizeBytes: decodedBytes(content),
    sha256: hashes[index] ?? '',
  }));
}

/** @throws {HttpProblem} naming the field of `data` that is wrong or missing, or the fault of the template */
export async function renderTemplate(ctx: ApiContext, template: EmailTemplate, asked: RenderAsked): Promise<Rendered> {
  const { locale, isBulk, pointer } = asked;
  if (template.fault !== undefined) throw badField(`${pointer}/template`, `can not be used: ${template.fault}`);
  // The schema of a template is for the object that `data` is.
  const data = parsePart(template.dataSchema, asked.data, `${pointer}/data`) as Readonly<Record<string, unknown>>;
  const unsubscribeUrl = isBulk ? UNSUBSCRIBE_PLACEHOLDER : undefined;
  const rendering = await ctx.templates.render({ template, locale, data, unsubscribeUrl });
  if (rendering.outcome === 'broken') throw badField(`${pointer}/template`, `can not be used: ${rendering.reason}`);
  if (rendering.outcome === 'missing') throw badField(`${pointer}/data/${rendering.variable.replaceAll('.', '/')}`, 'is required');
  const { subject, html } = rendering;
  if (subject === '' || subject.length > MAX_SUBJECT_CHARS)
    throw badField(`${pointer}/data`, `makes a subject of ${subject.length} characters; it must have 1 to ${MAX_SUBJECT_CHARS}`);
  if (html.length > MAX_HTML_CHARS) throw badField(`${pointer}/data`, `makes html of more than ${MAX_HTML_CHARS} characters`);
  return rendering;
}

async function unknownTemplate(ctx: ApiContext, pointer: string): Promise<HttpProblem> {
  const names = (await ctx.templates.list()).map(({ name }) => name);
  return badField(pointer, `is not one of ${names.join(', ')}`);
}

function badField(pointer: string, message: string): HttpProblem {
  return new HttpProblem('invalid_request', `${pointer} ${message}.`, { errors: [{ pointer, message }] });
}
