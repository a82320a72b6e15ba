import { holdsCardNumber } from '../../contracts/card-numbers.ts';
import type { OrderInput, RefundInput } from '../../contracts/checkout/orders.ts';
import type { Quote } from '../../contracts/checkout/quotes.ts';
import type { StoredCart } from '../../store/checkout/cart-steps.ts';
import type { Accepted, AcceptRequest } from '../../store/operations.ts';
import type { AcceptWork, ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { wholeRule } from './amounts.ts';

const CARD_NUMBER = 'Tags and metadata must not hold a card number: those are for the payment provider’s form alone.';
/** How often a cart is quoted anew that somebody changes at the same moment. */
const MAX_QUOTES = 5;

/**
 * Makes a cart an order: quotes it, and accepts the work if that is what the buyer agreed to. Asked again, whoever asks and however often,
 * there is one order for the cart.
 */
export function acceptOrder(ctx: ApiContext): AcceptWork {
  return async (request) => {
    refuseStart(request);
    // Checked against the kind's schema by every route that starts work.
    const input = request.input as OrderInput;
    // Asked again, it is the order of then, whatever the cart costs by now.
    const replay = await ctx.store.operations.replayOf(request.tenantId, request.idempotency);
    if (replay !== undefined) return replay;
    let quote: Quote | undefined;
    for (let round = 0; round < MAX_QUOTES; round += 1) {
      const stored = await ctx.store.carts.get(request.tenantId, input.cartId);
      if (stored === undefined) throw new HttpProblem('not_found', 'There is no such cart.');
      if (stored.cart.status === 'expired') throw new HttpProblem('cart_closed');
      quote = await quoteOf(ctx, request, stored);
      if (stored.cart.status === 'open') requireAgreed(quote, input.quoteHash);
      const accepted = await ctx.store.checkout.acceptOrder({
        ...request,
        input,
        quote,
        cartVersion: stored.cart.version,
        ownerSubject: stored.cart.owner_subject ?? undefined,
        payUntil: new Date(request.now.getTime() + ctx.payWithinMs),
      });
      if (accepted.outcome === 'short') throw unsellable(await quoteOf(ctx, request, stored));
      if (accepted.outcome === 'no_cart') throw new HttpProblem('not_found', 'There is no such cart.');
      if (accepted.outcome !== 'changed') return accepted;
    }
    throw changed(quote);
  };
}

/** Accepts a refund if not more would be given back than was taken. */
export function acceptRefund(ctx: ApiContext): AcceptWork {
  return async (request): Promise<Accepted> => {
    refuseStart(request);
    // Checked against the kind's schema by every route that starts work.
    const accepted = await ctx.store.checkout.acceptRefund({ ...request, input: request.input as RefundInput });
    switch (accepted.outcome) {
      case 'no_order':
        throw new HttpProblem('not_found', 'There is no such order.');
      case 'too_large': {
        const { order, leftAmount } = accepted;
        throw new HttpProblem('refund_too_large', `At most ${leftAmount} ${order.currency} in minor units can be given back.`);
      }
      case 'odd_amount':
        throw new HttpProblem('invalid_request', `The amount ${wholeRule(accepted.order.currency)}.`);
      default:
        return accepted;
    }
  };
}

/** @throws {HttpProblem} since stock and prices are those of now, and card numbers go nowhere here */
function refuseStart({ start }: AcceptRequest): void {
  if (holdsCardNumber(JSON.stringify([start.tags, start.metadata]))) throw new HttpProblem('invalid_request', CARD_NUMBER);
  for (const name of ['startAt', 'expiresAt'] as const) {
    if (start[name] === undefined) continue;
    const message = 'is not for this kind: it begins now, and says itself how long a buyer may take';
    throw new HttpProblem('invalid_request', `/${name} ${message}.`, { errors: [{ pointer: `/${name}`, message }] });
  }
}

function quoteOf(ctx: ApiContext, { tenantId, now }: AcceptRequest, { cart, items }: StoredCart): Promise<Quote> {
  return ctx.catalogue.quote({ tenantId, cartId: cart.id, currency: cart.currency, items, now });
}

/** @throws {HttpProblem} cart_changed, cart_not_sellable; both with the quote of now */
function requireAgreed(quote: Quote, quoteHash: string): void {
  if (quote.quoteHash !== quoteHash) throw changed(quote);
  if (quote.faults.length > 0 || quote.totalAmount < 1) throw unsellable(quote);
}

function changed(quote: Quote | undefined): HttpProblem {
  return new HttpProblem('cart_changed', undefined, quote === undefined ? {} : { quote });
}

function unsellable(quote: Quote): HttpProblem {
  const faults = quote.faults.map(({ sku, code }) => (sku === undefined ? code : `${sku}: ${code}`));
  const detail = faults.length === 0 ? 'It costs nothing.' : `The cart can not be bought: ${faults.join(', ')}.`;
  return new HttpProblem('cart_not_sellable', detail, { quote });
}
