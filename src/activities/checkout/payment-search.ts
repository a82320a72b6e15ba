import type { Answer, PaymentIntent, Payments } from '../../adapters/payments.ts';
import { PAYMENT_UNFOUND } from '../../contracts/pure/checkout.ts';
import type { EffectRow } from '../../store/effects.ts';
import type { Store } from '../../store/index.ts';

/** How far the provider’s clock may be ahead, and how late it may act on a call that nobody waits for any more. */
const LATE_MS = 3_600_000; // 1 h

export interface PaymentSearch {
  readonly payments: Pick<Payments, 'findIntent'>;
  readonly store: { readonly checkout: { readonly orders: Pick<Store['checkout']['orders'], 'stuck'> } };
}

export interface SearchRequest {
  readonly tenantId: string;
  readonly orderId: string;
  readonly now: Date;
  /** What the provider was given. */
  readonly key: string;
  readonly effect: Pick<EffectRow, 'created_at' | 'until'>;
}

/**
 * Finds the payment that an attempt may have made whose answer was lost. Lists begin with the newest, and an account may have made thousands
 * since: what was made when that attempt’s time had long been up is left out. Where they are still too many, a person must look.
 */
export async function lookForIntent({ payments, store }: PaymentSearch, request: SearchRequest): Promise<Answer<PaymentIntent>> {
  const { tenantId, orderId, now, key, effect } = request;
  const createdTo = effect.until === null ? {} : { createdTo: new Date(effect.until.getTime() + LATE_MS).toISOString() };
  const answer = await payments.findIntent({ key, createdFrom: effect.created_at.toISOString(), ...createdTo });
  if (answer.outcome === 'unknown' && answer.reason === 'too_many_to_search')
    await store.checkout.orders.stuck({ tenantId, orderId, now }, PAYMENT_UNFOUND);
  return answer;
}
