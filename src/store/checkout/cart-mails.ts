import { sql } from 'kysely';
import { KINDS } from '../../contracts/kinds.ts';
import { contentOf, type EmailEffect, emailEffects, type StoredEmail } from '../../contracts/email.ts';
import { OPEN_STATUSES } from '../../contracts/pure/operations.ts';
import type { Tx } from '../database.ts';
import { cancelWithin } from '../verbs.ts';

interface Withdrawal {
  readonly tenantId: string;
  readonly cartId: string;
  readonly now: Date;
}

/**
 * Takes back the reminders of a cart that have not gone out, and the word on its payment: the buyer has done what they ask for, or wants
 * none. From the commit on none of them begins; one that is being sent was before. The receipt is none of them.
 */
export async function withdrawMails(tx: Tx, { tenantId, cartId, now }: Withdrawal): Promise<void> {
  const mails = await tx
    .selectFrom('cart_mail')
    .innerJoin('operation', 'operation.id', 'cart_mail.operation_id')
    .select(['operation.id', 'operation.root_id as rootId', 'operation.input'])
    .where('cart_mail.cart_id', '=', cartId)
    .where('operation.status', 'in', [...OPEN_STATUSES])
    .orderBy('operation.id')
    .execute();
  for (const { id, rootId, input } of mails) {
    const answer = await cancelWithin(tx, { tenantId, id, actor: { actor: 'system' }, kind: KINDS.email, now });
    if (answer?.outcome !== 'cancelling') continue;
    // Its workflow hears of it later than the mail server might.
    const mail = contentOf(input as StoredEmail); // as the claim stored it
    await refuseUnclaimed(tx, { tenantId, operationId: id, rootId, effects: emailEffects(mail, rootId), now });
    await sql`update effect set state = 'refused', fence = fence + 1, updated_at = ${now}::timestamptz,
        response = coalesce(response, '{}') || '{"reason": "cancelled"}'
      where tenant_id = ${tenantId} and root_id = ${id}::uuid and state = 'claimed'`.execute(tx);
  }
}

interface Unclaimed {
  readonly tenantId: string;
  readonly operationId: string;
  readonly rootId: string;
  readonly effects: readonly EmailEffect[];
  readonly now: Date;
}

/** What is not claimed yet has no row, and would be claimed as it begins: it gets one that refuses it. */
async function refuseUnclaimed(tx: Tx, { tenantId, operationId, rootId, effects, now }: Unclaimed): Promise<void> {
  const wanted = JSON.stringify(effects.map(({ step, digest }) => ({ step, digest })));
  await sql`insert into effect (tenant_id, key, root_id, operation_id, step, generation, state, fence, request_digest, response, created_at, updated_at)
    select ${tenantId}, ${rootId} || '/' || e.step || '#' || coalesce(last.generation, 0) + 1, ${rootId}::uuid, ${operationId}::uuid, e.step,
      coalesce(last.generation, 0) + 1, 'refused', 1, e.digest, '{"reason": "cancelled"}', ${now}::timestamptz, ${now}::timestamptz
    from jsonb_to_recordset(${wanted}::jsonb) as e(step text, digest text)
    left join lateral (
      select generation, state, operation_id from effect
      where tenant_id = ${tenantId} and root_id = ${rootId}::uuid and step = e.step order by generation desc limit 1
    ) last on true
    where last.generation is null or (last.state = 'refused' and last.operation_id <> ${operationId}::uuid)
    on conflict do nothing`.execute(tx);
}
