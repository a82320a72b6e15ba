import { Email, type EmailContent, emailEffects, emailMessageId, type RecipientState } from '../../contracts/email.ts';
import type { StoredAttachment } from '../../contracts/email-attachments.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { EffectRow } from '../../store/effects.ts';
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
    description: 'With the state of every recipient. The id is the `rootId` of its operations.',
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
      const first = row.attempt === 1 ? row : await ctx.store.operations.get(auth.tenantId, row.root_id);
      const effects = await ctx.store.effects.ofRoot(auth.tenantId, row.root_id);
      return { status: 200, body: presentEmail({ row, effects, createdAt: (first ?? row).created_at }) };
    },
  });
}

interface Mail {
  /** The latest attempt. */
  readonly row: OperationRow;
  readonly effects: readonly EffectRow[];
  readonly createdAt: Date;
}

function presentEmail({ row, effects, createdAt }: Mail): Email {
  // Checked against the kind's schema when it was accepted.
  const content = row.input as EmailContent;
  const byStep = new Map(effects.map((effect) => [effect.step, effect]));
  return {
    id: row.root_id,
    object: 'email',
    createdAt: createdAt.toISOString(),
    operationId: row.id,
    status: row.status,
    messageId: emailMessageId(row.root_id),
    subject: content.subject,
    category: content.category ?? 'transactional',
    ...(content.template === undefined ? {} : { template: content.template, locale: content.locale }),
    ...(content.attachments === undefined ? {} : { attachments: content.attachments.map(presentAttachment) }),
    recipients: emailEffects(content, row.root_id).map(({ step, address, role }) => {
      const effect = byStep.get(step);
      const code = effect?.response?.['smtpCode'];
      return {
        address,
        role,
        state: stateOf(effect, row),
        ...(typeof code === 'number' ? { smtpCode: code } : {}),
        ...(effect === undefined || effect.repeats === 0 ? {} : { possibleDuplicates: effect.repeats }),
        ...(effect === undefined ? {} : { updatedAt: effect.updated_at.toISOString() }),
      };
    }),
  };
}

function stateOf(effect: EffectRow | undefined, row: OperationRow): RecipientState {
  switch (effect?.state) {
    case 'done':
      return 'sent';
    case 'refused':
      return refusalOf(effect);
    case 'sending':
      return 'sending';
    case 'unknown':
      return 'unknown';
    case 'claimed':
    case undefined:
      return row.status === 'cancelled' || row.status === 'expired' ? 'cancelled' : 'pending';
  }
}

function refusalOf({ response, repeats }: EffectRow): RecipientState {
  const reason = response?.['reason'];
  // Cancelled before it was sent again: the first may have arrived.
  if (reason === 'cancelled' && repeats > 0) return 'unknown';
  // What an operation that expired left undone is shown like what a cancel left undone.
  if (reason === 'expired') return 'cancelled';
  return reason === 'cancelled' || reason === 'suppressed' ? reason : 'refused';
}

function presentAttachment({ filename, contentType, sizeBytes }: StoredAttachment) {
  return { filename, contentType, sizeBytes };
}
