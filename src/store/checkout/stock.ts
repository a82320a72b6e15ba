import { sql } from 'kysely';
import type { Tx } from '../database.ts';

interface StockRequest {
  readonly tenantId: string;
  readonly cartId: string;
  readonly now: Date;
}

export interface StockLine {
  readonly sku: string;
  readonly quantity: number;
}

export interface HoldRequest extends StockRequest {
  readonly lines: readonly StockLine[];
  readonly until: Date;
}

export interface SellRequest extends StockRequest {
  readonly orderId: string;
  readonly lines: readonly StockLine[];
}

/**
 * Puts pieces aside for a cart until an instant, all or none, in the place of what it held. Answers what there is not enough of; an
 * expired hold of another cart counts for nothing.
 */
export async function holdStock(tx: Tx, request: HoldRequest): Promise<readonly string[]> {
  const { rows } = await sql<{ short: string[] }>`select hold_stock(${JSON.stringify(request)}::jsonb) as short`.execute(tx);
  return rows[0]?.short ?? [];
}

/** Takes an order's pieces out of the stock, once, and ends its cart's hold. Answers what there is not enough of; then nothing is taken. */
export async function sellStock(tx: Tx, request: SellRequest): Promise<readonly string[]> {
  const { rows } = await sql<{ short: string[] }>`select sell_stock(${JSON.stringify(request)}::jsonb) as short`.execute(tx);
  return rows[0]?.short ?? [];
}

/** Ends a cart's hold. Safe to repeat. */
export async function releaseHold(tx: Tx, request: StockRequest): Promise<void> {
  await tx.deleteFrom('stock_hold').where('cart_id', '=', request.cartId).execute();
}

/** Whether an order's pieces were taken out of the stock, even if they have come back since. */
export async function wasSold(tx: Tx, orderId: string): Promise<boolean> {
  const row = await tx.selectFrom('stock_movement').select('sku').where('order_id', '=', orderId).limit(1).executeTakeFirst();
  return row !== undefined;
}

/** Puts back, once, what an order took. Safe to repeat, and where nothing was taken. */
export async function returnStock(tx: Tx, request: Omit<SellRequest, 'lines'>): Promise<void> {
  await sql`select return_stock(${JSON.stringify(request)}::jsonb)`.execute(tx);
}
