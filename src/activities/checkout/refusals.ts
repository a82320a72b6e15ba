import type { Store } from '../../store/index.ts';
import { readAsked } from '../lib/asked.ts';

export interface Refusal {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
  readonly what: 'refund' | 'capture' | 'void';
  /** As it was sent, by whatever tool: who asked is in it. */
  readonly asked: unknown;
  /** snake_case. */
  readonly why: string;
}

/** Notes in the audit log what was asked of an order and not done: who sends a signal gets no answer. */
export async function noteRefusal(store: Store, { tenantId, orderId, now, what, asked, why }: Refusal): Promise<void> {
  const about = { target: `order/${orderId}`, operationId: orderId, details: { why } };
  await store.audit.write({ tenantId, actor: readAsked(asked).actor, at: now, action: `order.${what}.refused`, ...about });
}
