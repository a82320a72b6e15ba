import { ApplicationFailure } from '@temporalio/common';
import type { EmailTemplates } from '../../adapters/templates.ts';
import type { EmailContent, UnmadeEmail } from '../../contracts/email.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { Store } from '../../store/index.ts';

export interface NoticeParts {
  readonly store: Store;
  readonly templates: EmailTemplates;
  /** Where the link to the operation leads. */
  readonly publicUrl: string;
}

/**
 * Makes the mail about an operation's end from its template, and keeps it, so that every attempt sends the same. Mails of callers were
 * made when they were accepted; this one was accepted by the transaction that ended the operation, which renders nothing.
 */
export async function makeNotice({ store, templates, publicUrl }: NoticeParts, run: RunRef, mail: UnmadeEmail): Promise<EmailContent> {
  const { to, template: name, locale, data } = mail;
  const template = await templates.find(name);
  if (template === undefined) throw broken(name, 'it is gone');
  if (template.fault !== undefined) throw broken(name, template.fault);
  const link = `${publicUrl}/v1/operations/${String(data['operationId'])}`;
  const rendering = await templates.render({ template, locale, data: { ...data, link } });
  if (rendering.outcome === 'missing') throw broken(name, `it names ${rendering.variable}, which there is not`);
  if (rendering.outcome === 'broken') throw broken(name, rendering.reason);
  const { subject, html, text } = rendering;
  return store.email.keepMade(run, { to: [...to], template: name, locale: rendering.locale, subject, html, text });
}

function broken(name: string, reason: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(`The template ${name} can not be used: ${reason}.`, 'Rejected');
}
