import type * as z from 'zod';
import type { EmailTemplate as Template } from '../../adapters/templates.ts';
import { EmailPreview, type EmailTemplate, EmailTemplatePage, PreviewRequest, TemplateParams } from '../../contracts/email-templates.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { renderTemplate } from './render.ts';

const TAG = 'E-mail';
const { scopes } = KINDS.email;

const EXAMPLE: EmailTemplate = {
  id: 'welcome',
  object: 'emailTemplate',
  createdAt: '2026-11-24T22:00:00.000Z',
  updatedAt: '2026-11-24T22:00:00.000Z',
  locales: ['de', 'en'],
  schema: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
  sample: { name: 'Ada' },
};

const PREVIEW: z.infer<typeof EmailPreview> = {
  object: 'emailPreview',
  locale: 'de',
  subject: 'Willkommen, Ada',
  html: '<!doctype html>…',
  text: 'Willkommen, Ada\n…',
  sizeBytes: 10_271,
};

/** Mails that are written once and filled in for each recipient. */
export function templateRoutes(ctx: ApiContext): Route[] {
  return [listRoute(ctx), previewRoute(ctx)];
}

function listRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    method: 'get',
    path: '/v1/email-templates',
    operationId: 'listEmailTemplates',
    summary: 'List the templates of mails',
    description: 'All of them, by name, as their files are now.',
    tag: TAG,
    feature: 'email',
    responses: {
      200: { description: 'All templates.', schema: EmailTemplatePage, example: { data: [EXAMPLE], hasMore: false, nextCursor: null } },
    },
    async handler() {
      const templates = await ctx.templates.list();
      return { status: 200, body: { data: templates.map(presentTemplate), hasMore: false, nextCursor: null } };
    },
  });
}

function previewRoute(ctx: ApiContext): Route {
  return tenantRoute([scopes.read], {
    method: 'post',
    path: '/v1/email-templates/{name}/preview',
    operationId: 'previewEmailTemplate',
    summary: 'Look at a mail before it is sent',
    description: 'Sends nothing. Of `bulk` mail, `{{unsubscribeUrl}}` stands where each recipient’s own link would be.',
    tag: TAG,
    feature: 'email',
    params: TemplateParams,
    body: PreviewRequest,
    bodyOptional: true,
    bodyExample: { locale: 'de-AT' },
    responses: { 200: { description: 'As recipients would get it.', schema: EmailPreview, example: PREVIEW } },
    problems: ['not_found'],
    async handler({ params, body }) {
      const template = await ctx.templates.find(params.name);
      if (template === undefined) throw new HttpProblem('not_found');
      const { data = template.sample, locale, category } = body;
      const rendered = await renderTemplate(ctx, template, { data, locale, isBulk: category === 'bulk', pointer: '' });
      const { outcome: _outcome, ...preview } = rendered;
      return { status: 200, body: { object: 'emailPreview', ...preview, sizeBytes: Buffer.byteLength(rendered.html) } };
    },
  });
}

function presentTemplate({ name, locales, schema, sample, fault, createdAt, updatedAt }: Template): EmailTemplate {
  return {
    id: name,
    object: 'emailTemplate',
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    locales: [...locales],
    schema: { ...schema },
    sample: { ...sample },
    ...(fault === undefined ? {} : { fault }),
  };
}
