import * as z from 'zod';
import { EmailCategory, TemplateData, TemplateLocale, TemplateName } from './email.ts';
import { Instant } from './operation.ts';
import { pageOf } from './routes.ts';

export const TemplateParams = z.object({ name: TemplateName });

export const EmailTemplate = z
  .object({
    id: z.string().meta({ description: 'Its name.' }),
    object: z.literal('emailTemplate'),
    createdAt: Instant,
    updatedAt: Instant,
    locales: z.array(z.string()),
    schema: z.record(z.string(), z.unknown()).meta({ description: 'What `data` must be: JSON Schema 2020-12.' }),
    sample: z.record(z.string(), z.unknown()).meta({ description: 'Data to try it with.' }),
    fault: z.string().optional().meta({ description: 'Why it can not be used.' }),
  })
  .meta({ id: 'EmailTemplate' });
export type EmailTemplate = z.infer<typeof EmailTemplate>;

export const EmailTemplatePage = pageOf(EmailTemplate, 'EmailTemplatePage');

export const PreviewRequest = z
  .strictObject({
    data: TemplateData.optional().meta({ description: 'Without it, the sample of the template.' }),
    locale: TemplateLocale.optional(),
    category: EmailCategory.optional(),
  })
  .meta({ id: 'PreviewRequest' });

export const EmailPreview = z
  .object({
    object: z.literal('emailPreview'),
    locale: z.string().meta({ description: 'The one that was taken.' }),
    subject: z.string(),
    html: z.string(),
    text: z.string(),
    sizeBytes: z.int().meta({ description: 'Of the HTML. Gmail cuts off what is over 102 kB.' }),
  })
  .meta({ id: 'EmailPreview' });
