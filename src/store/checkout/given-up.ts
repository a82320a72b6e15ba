import { TERMINAL_STATUSES } from '../../contracts/pure/operations.ts';
import type { Tx } from '../database.ts';

/**
 * Gives up what is put aside for refunds whose work has ended before the provider was told of them. Answers of how many of the others it
 * may have been told.
 */
export async function giveUpAbandoned(tx: Tx, orderId: string, now: Date): Promise<number> {
  const abandoned = await tx
    .selectFrom('payment_refund as r')
    .select((e) => [
      'r.id',
      e
        .exists(e.selectFrom('effect').select('key').whereRef('root_id', '=', 'r.id').where('state', 'in', ['sending', 'done', 'unknown']))
        .as('isBegun'),
    ])
    .where('r.order_id', '=', orderId)
    .where('r.provider_id', 'is', null)
    .where('r.state', '=', 'pending')
    .where((e) =>
      e.not(
        e.exists(
          e.selectFrom('operation').select('operation.id').whereRef('root_id', '=', 'r.id').where('status', 'not in', TERMINAL_STATUSES),
        ),
      ),
    )
    .execute();
  const ids = abandoned.filter(({ isBegun }) => !isBegun).map(({ id }) => id);
  if (ids.length > 0) await tx.updateTable('payment_refund').set({ state: 'cancelled', updated_at: now }).where('id', 'in', ids).execute();
  return abandoned.length - ids.length;
}
