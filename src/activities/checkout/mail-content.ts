import { ApplicationFailure } from '@temporalio/common';
import type { EmailTemplates } from '../../adapters/templates.ts';
import { UNSUBSCRIBE_PLACEHOLDER } from '../../contracts/email-unsubscribe.ts';

interface MailAsked {
  readonly template: string;
  readonly to: string;
  readonly locale: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
  /** Whether its recipient can refuse mails of this sort alone. */
  readonly isBulk?: boolean;
}

/**
 * A mail from a template, as the e-mail feature keeps it. Tried again for as long as the template is missing or broken.
 * @throws {OutsideUnavailable}
 */
export async function makeMail(
  templates: EmailTemplates,
  { template: name, to, locale, data, isBulk = false }: MailAsked,
): Promise<object> {
  const template = await templates.find(name);
  if (template === undefined) throw unusable(name);
  const unsubscribeUrl = isBulk ? UNSUBSCRIBE_PLACEHOLDER : undefined;
  const rendering = await templates.render({ template, locale, data, unsubscribeUrl });
  if (rendering.outcome !== 'rendered') throw unusable(name);
  const { subject, html, text } = rendering;
  return { to: [to], template: name, locale: rendering.locale, subject, html, text, ...(isBulk ? { category: 'bulk' } : {}) };
}

function unusable(name: string): ApplicationFailure {
  return ApplicationFailure.retryable(`The template ${name} is missing or can not be used.`, 'OutsideUnavailable');
}
