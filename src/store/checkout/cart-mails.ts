import { sql } from 'kysely';
import { KINDS } from '../../contracts/kinds.ts';
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
    .select('operation.id')
    .where('cart_mail.cart_id', '=', cartId)
    .where('operation.status', 'in', [...OPEN_STATUSES])
    .orderBy('operation.id')
    .execute();
  for (const { id } of mails) {
    const answer = await cancelWithin(tx, { tenantId, id, actor: { actor: 'system' }, kind: KINDS.email, now });
    if (answer?.outcome !== 'cancelling') continue;
    // Its workflow hears of it later than the mail server might.
    await sql`update effect set state = 'refused', fence = fence + 1, updated_at = ${now}::timestamptz,
        response = coalesce(response, '{}') || '{"reason": "cancelled"}'
      where tenant_id = ${tenantId} and root_id = ${id}::uuid and state = 'claimed'`.execute(tx);
  }
}
