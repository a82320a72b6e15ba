import type { OrderInput, RefundInput } from '../../contracts/checkout/orders.ts';
import type { Quote } from '../../contracts/checkout/quotes.ts';
import type { Accepted, AcceptRequest, OperationsStore } from '../operations.ts';
import { type CartRow, closeCart, lockCart } from './cart-steps.ts';
import type { OrderRow } from './merge.ts';
import { holdUntil, insertOrder } from './orders.ts';
import { reserveRefund } from './refunds.ts';
import { holdStock } from './stock.ts';
import { refusalOf, RefusedError } from '../refused.ts';

export interface AcceptOrder extends Omit<AcceptRequest, 'joined' | 'retry' | 'naturalKey'> {
  readonly input: OrderInput;
  /** What the buyer agreed to, and the version of the cart that it was made of. */
  readonly quote: Quote;
  readonly cartVersion: number;
  readonly payUntil: Date;
}

export type OrderAccepted =
  | Accepted
  | { readonly outcome: 'no_cart' }
  /** Somebody changed the cart since it was quoted. */
  | { readonly outcome: 'changed' }
  | { readonly outcome: 'short'; readonly skus: readonly string[] };

export interface AcceptRefund extends Omit<AcceptRequest, 'joined' | 'retry' | 'naturalKey'> {
  readonly input: RefundInput;
}

export type RefundAccepted =
  | Accepted
  | { readonly outcome: 'no_order' }
  | { readonly outcome: 'too_large'; readonly leftAmount: number; readonly order: OrderRow }
  | { readonly outcome: 'odd_amount'; readonly order: OrderRow };

/** Accepting what comes with more than an operation’s row. */
export function createOrderAcceptance(operations: OperationsStore) {
  /**
   * Makes a cart an order: locks it, compares what was quoted, puts the pieces aside and accepts the work, all or nothing. There is one
   * order for a cart at a time, however often this is asked; a cart whose order failed gets another.
   */
  async function acceptOrder(request: AcceptOrder): Promise<OrderAccepted> {
    const { quote, cartVersion, payUntil, input, now } = request;
    let cart: CartRow | undefined;
    try {
      return await operations.accept({
        ...request,
        joined: {
          async before(tx) {
            cart = (await lockCart(tx, input.cartId))?.cart;
            if (cart === undefined) throw new RefusedError<OrderAccepted>({ outcome: 'no_cart' });
            return { attempt: cart.attempt };
          },
          async after(tx, operation) {
            if (cart === undefined || cart.status !== 'open' || cart.version !== cartVersion)
              throw new RefusedError<OrderAccepted>({ outcome: 'changed' });
            const lines = quote.lines.map(({ sku, quantity }) => ({ sku, quantity }));
            const skus = await holdStock(tx, { tenantId: request.tenantId, cartId: cart.id, lines, until: holdUntil(payUntil), now });
            if (skus.length > 0) throw new RefusedError<OrderAccepted>({ outcome: 'short', skus });
            const { captureMethod = 'automatic', paymentMethod } = input;
            await insertOrder(tx, { operation, cart, quote, captureMethod, paymentMethod, payUntil, now });
            await closeCart(tx, { cartId: cart.id, orderId: operation.id, now });
          },
        },
      });
    } catch (error) {
      return refusalOf<OrderAccepted>(error);
    }
  }

  /** Accepts a refund and puts its amount aside. */
  async function acceptRefund(request: AcceptRefund): Promise<RefundAccepted> {
    const { input, tenantId, now } = request;
    try {
      return await operations.accept({
        ...request,
        joined: {
          async after(tx, operation) {
            const { orderId, amount, reason } = input;
            const reserved = await reserveRefund(tx, { tenantId, orderId, id: operation.id, amount, reason, now });
            if (reserved.outcome !== 'reserved') throw new RefusedError<RefundAccepted>(reserved);
          },
        },
      });
    } catch (error) {
      return refusalOf<RefundAccepted>(error);
    }
  }

  return { acceptOrder, acceptRefund };
}
