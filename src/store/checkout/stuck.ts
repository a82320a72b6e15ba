import type { OrderStuck, StuckReason } from '../../contracts/checkout/orders.ts';
import type { OrderRow } from './merge.ts';

/** Why an order needs a person whose workflow has ended before it. */
export const OPERATION_ENDED = 'operation_ended';
/** The work at a refund has ended, and the provider may have been told of it. */
export const REFUND_ABANDONED = 'refund_abandoned';
/** The provider says other things of the payment than this order does. */
export const PAYMENT_MISMATCH = 'payment_mismatch';
/** Somebody took money elsewhere under the order’s name. */
export const SECOND_PAYMENT = 'second_payment';

/** Why an order needs a person, the oldest reason first. */
export function reasonsOf({ stuck }: Pick<OrderRow, 'stuck'>): readonly StuckReason[] {
  if (stuck === null) return [];
  const { others = [], ...first } = stuck;
  return [first, ...others];
}

/** The same as it is kept and shown; null when there is none. */
export function stuckOf([first, ...others]: readonly StuckReason[]): OrderStuck | null {
  if (first === undefined) return null;
  return others.length === 0 ? first : { ...first, others };
}

/** Whether this reason is the one that is meant: of payments other than the order’s own, each is a reason for itself. */
export function isReason(one: StuckReason, { reason, about }: Pick<StuckReason, 'reason' | 'about'>): boolean {
  return one.reason === reason && one.about === about;
}

export function hasReason(row: Pick<OrderRow, 'stuck'>, reason: string): boolean {
  return reasonsOf(row).some((one) => one.reason === reason);
}

/** What holds on of why it is listed, as far as the order’s row tells: what moves elsewhere is taken back by who sees it. */
export function stillStuck(row: OrderRow): OrderStuck | null {
  const known = reasonsOf(row);
  const isAllBack = row.captured_amount <= row.refunded_amount;
  const left = known.filter(({ reason, untilRefunded }) => {
    switch (reason) {
      case 'paid_after_end':
        return !isAllBack;
      case 'refund_failed':
        return !isAllBack && (untilRefunded === undefined || row.refunded_amount < untilRefunded);
      case 'payment_status_unknown':
        return row.intent_status === 'other';
      default:
        return true;
    }
  });
  return left.length === known.length ? row.stuck : stuckOf(left);
}
