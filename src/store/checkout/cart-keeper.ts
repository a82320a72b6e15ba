import { type CartRef, LOOK_AGAIN } from '../../contracts/pure/carts.ts';
import { type CartWorkflowIdParts, cartWorkflowId } from '../../contracts/pure/ids.ts';
import type { Tx } from '../database.ts';
import { signalInner, startInner } from '../inner-workflows.ts';
import type { CartRow } from './cart-steps.ts';

type Kept = Pick<CartRow, 'id' | 'tenant_id' | 'keeper' | 'is_kept'>;

/** Sees to it that a workflow keeps the time of a cart that this transaction holds. True: one is to be started. */
export async function ensureKept(tx: Tx, cart: Kept, now: Date): Promise<boolean> {
  if (cart.is_kept) return false;
  await startKeeper(tx, cart, now);
  return true;
}

/** The next workflow takes over; one that still runs ends when it looks. */
export async function startKeeper(tx: Tx, cart: Kept, now: Date): Promise<void> {
  const next = { ...cart, keeper: cart.keeper + 1 };
  await tx.updateTable('cart').set({ keeper: next.keeper, is_kept: true, wakes_at: now }).where('id', '=', cart.id).execute();
  await startInner(tx, { ...addressOf(next), now });
}

/** Another workflow takes over from this one, which has ended before its time; not while the start of one is on its way. */
export async function replaceKeeper(tx: Tx, { cartId, keeper }: CartWorkflowIdParts, now: Date): Promise<boolean> {
  const cart = await tx.selectFrom('cart').selectAll().where('id', '=', cartId).forUpdate().executeTakeFirst();
  if (cart === undefined || !cart.is_kept || cart.keeper !== keeper) return false;
  const starting = await tx
    .selectFrom('dispatch')
    .select('id')
    .where('tenant_id', '=', cart.tenant_id)
    .where('workflow_id', '=', addressOf(cart).workflowId)
    .where('verb', '=', 'start')
    .where('delivered_at', 'is', null)
    .executeTakeFirst();
  if (starting !== undefined) return false;
  await startKeeper(tx, cart, now);
  return true;
}

/** Wakes the cart's workflow, since something may be due earlier than what it sleeps for; starts one where none keeps its time. */
export async function wakeKeeper(tx: Tx, cart: Kept, now: Date): Promise<void> {
  if (await ensureKept(tx, cart, now)) return;
  await signalInner(tx, { ...addressOf(cart), name: LOOK_AGAIN, now });
}

function addressOf(cart: Kept) {
  const ref: CartRef = { tenantId: cart.tenant_id, kind: 'cart', cartId: cart.id, keeper: cart.keeper };
  return { workflowId: cartWorkflowId(ref), ref };
}
