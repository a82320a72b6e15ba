import { contentOf, Email, emailMessageId, emailStep, recipientsOf, type StoredEmail } from '../../contracts/email.ts';
import type { StoredAttachment } from '../../contracts/email-attachments.ts';
import { recipientStateOf } from '../../contracts/email-recipients.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { EffectRow } from '../../store/effects.ts';
import type { EmailAttempt } from '../../store/email.ts';
import type { OperationRow } from '../../store/operations.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { sees } from '../lib/visibility.ts';
import { exampleOperation, splitStartBody, startBodyOf, startedResponses, startOperation } from '../lib/start.ts';

const TAG = 'E-mail';
const kind = KINDS.email;

export function mailRoutes(ctx: ApiContext): Route[] {
  return [sendRoute(ctx), getRoute(ctx)];
}

function sendRoute(ctx: ApiContext): Route {
  return tenantRoute([kind.scopes.start], {
    method: 'post',
    path: '/v1/emails',
    operationId: 'sendEmail',
    summary: 'Send a mail',
    description:
      'To one or several recipients, each in a transaction of its own with the mail server, all with the same Message-ID. ' +
      'Recipients whom the server puts off are tried again for 24 hours.',
    tag: TAG,
    tokens: true,
    feature: 'email',
    body: startBodyOf(kind),
    bodyExamples: {
      content: kind.example,
      template: {
        to: 'ada@example.com',
        template: 'welcome',
        locale: 'de-AT',
        data: { name: 'Ada', product: 'Lovelace Engines', startUrl: 'https://app.example.com/start' },
      },
      notify: { ...kind.example, notify: [{ email: 'ops@example.com' }, { userId: 'u_42' }] },
    },
    responses: startedResponses('email'),
    idempotent: true,
    startsWork: true,
    handler: (request) => startOperation(ctx, { ...request, kind, ...splitStartBody(request.body) }),
  });
}

function getRoute(ctx: ApiContext): Route {
  const { id } = exampleOperation('email');
  return tenantRoute([kind.scopes.read], {
    method: 'get',
    path: '/v1/emails/{id}',
    operationId: 'getEmail',
    summary: 'Look at a mail',
    description: 'With the state of everybody whom one of its attempts was for. The id is the `rootId` of its operations.',
    tag: TAG,
    tokens: true,
    feature: 'email',
    params: UuidParams,
    responses: {
      200: {
        description: 'The mail.',
        schema: Email,
        example: {
          id,
          object: 'email',
          createdAt: '2026-11-24T22:00:00.000Z',
          operationId: id,
          status: 'succeeded',
          messageId: emailMessageId(id),
          subject: 'Hello',
          category: 'transactional',
          recipients: [{ address: 'ada@example.com', role: 'to', state: 'sent', smtpCode: 250, updatedAt: '2026-11-24T22:00:00.020Z' }],
        },
      },
    },
    problems: ['not_found'],
    async handler({ auth, params }) {
      const row = await ctx.store.operations.latestOf(auth.tenantId, params.id);
      if (row === undefined || row.kind !== kind.name || !sees(auth, row)) throw new HttpProblem('not_found');
      const attempts = await ctx.store.email.attempts(auth.tenantId, row.root_id);
      const effects = await ctx.store.effects.ofRoot(auth.tenantId, row.root_id);
      return { status: 200, body: presentEmail({ row, attempts, effects }) };
    },
  });
}

interface Mail {
  /** The latest attempt. */
  readonly row: OperationRow;
  /** All of them, the latest first. */
  readonly attempts: readonly EmailAttempt[];
  readonly effects: readonly EffectRow[];
}

function presentEmail({ row, attempts, effects }: Mail): Email {
  // Checked against the kind's schema when it was accepted, or made by us.
  const content = contentOf(row.input as StoredEmail);
  return {
    id: row.root_id,
    object: 'email',
    createdAt: (attempts.at(-1) ?? row).created_at.toISOString(),
    operationId: row.id,
    status: row.status,
    messageId: emailMessageId(row.root_id),
    subject: content.subject,
    category: content.category ?? 'transactional',
    ...(content.template === undefined ? {} : { template: content.template, locale: content.locale }),
    ...(content.attachments === undefined ? {} : { attachments: content.attachments.map(presentAttachment) }),
    recipients: presentRecipients({ row, attempts, effects }),
  };
}

/** Everybody whom one of the attempts was for, once, those of the latest attempt first. */
function presentRecipients({ row, attempts, effects }: Mail): Email['recipients'] {
  const byStep = new Map(effects.map((effect) => [effect.step, effect]));
  const recipients = new Map<string, Email['recipients'][number]>();
  for (const { status, recipients: asked } of attempts) {
    const isStopped = status === 'cancelled' || status === 'expired';
    for (const { address, role } of recipientsOf(asked)) {
      const step = emailStep(row.root_id, address);
      if (recipients.has(step)) continue;
      const effect = byStep.get(step);
      const code = effect?.response?.['smtpCode'];
      recipients.set(step, {
        address,
        role,
        state: recipientStateOf(effect, isStopped),
        ...(typeof code === 'number' ? { smtpCode: code } : {}),
        ...(effect === undefined || effect.repeats === 0 ? {} : { possibleDuplicates: effect.repeats }),
        ...(effect === undefined ? {} : { updatedAt: effect.updated_at.toISOString() }),
      });
    }
  }
  return [...recipients.values()];
}

function presentAttachment({ filename, contentType, sizeBytes }: StoredAttachment) {
  return { filename, contentType, sizeBytes };
}
