import { fractionProblem, LARGEST_AMOUNT, smallestAmount } from '../currencies.ts';
import { type Quote, type QuoteFault, quoteHashOf, type QuoteLine } from './quotes.ts';

const WHOLE = 10_000;

/** What a catalogue knows of one article, in the currency that is asked for. */
export interface Article {
  readonly sku: string;
  readonly name: string;
  /** Of one piece, with tax; absent: not sold in this currency. */
  readonly unitAmount: number | undefined;
  readonly taxBasisPoints: number;
  readonly available: number;
  readonly isActive: boolean;
}

export interface ShippingRate {
  readonly amount: number;
  /** Goods of this much are sent for nothing. */
  readonly freeFromAmount: number | null;
  readonly taxBasisPoints: number;
}

export interface PricingRequest {
  readonly currency: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
  readonly articles: ReadonlyMap<string, Article>;
  readonly shipping: ShippingRate | undefined;
}

/**
 * Makes a quote: whole minor units throughout, tax contained in prices and rounded half up once per line, shipping a line of its own for
 * that. The sum of the parts is the total, and nothing is spread afterwards.
 */
export function priceQuote({ currency, items, articles, shipping }: PricingRequest): Quote {
  const faults: QuoteFault[] = items.length === 0 ? [{ code: 'empty' }] : [];
  const lines: QuoteLine[] = [];
  for (const { sku, quantity } of items.toSorted((a, b) => (a.sku < b.sku ? -1 : 1))) {
    const article = articles.get(sku);
    if (article === undefined || !article.isActive) {
      faults.push({ sku, code: 'not_for_sale' });
      continue;
    }
    if (article.unitAmount === undefined) {
      faults.push({ sku, code: 'no_price' });
      continue;
    }
    if (article.available < quantity) faults.push({ sku, code: 'out_of_stock' });
    lines.push(lineOf(article, article.unitAmount, quantity));
  }
  const goodsAmount = sum(lines.map(({ amount }) => amount));
  const shippingAmount = lines.length === 0 ? 0 : shippingOf(shipping, goodsAmount);
  const taxAmount = sum(lines.map((line) => line.taxAmount)) + containedTax(shippingAmount, shipping?.taxBasisPoints ?? 0);
  const totalAmount = goodsAmount + shippingAmount;
  if (lines.length > 0) faults.push(...totalFaults(totalAmount, currency));
  const priced = { currency, lines, shippingAmount, taxAmount, totalAmount };
  return { ...priced, faults, quoteHash: quoteHashOf(priced) };
}

/** The tax within a gross amount, rounded half up to a whole minor unit. */
export function containedTax(amount: number, taxBasisPoints: number): number {
  // a·r ÷ (1 + r) in whole numbers: what is divided stays far below 2^53.
  const divisor = 2 * (WHOLE + taxBasisPoints);
  const dividend = 2 * amount * taxBasisPoints + (WHOLE + taxBasisPoints);
  return (dividend - (dividend % divisor)) / divisor;
}

function lineOf(article: Article, unitAmount: number, quantity: number): QuoteLine {
  const amount = unitAmount * quantity;
  const { sku, name, available } = article;
  return { sku, name, quantity, unitAmount, amount, taxAmount: containedTax(amount, article.taxBasisPoints), available };
}

function shippingOf(shipping: ShippingRate | undefined, goodsAmount: number): number {
  if (shipping === undefined) return 0;
  return shipping.freeFromAmount !== null && goodsAmount >= shipping.freeFromAmount ? 0 : shipping.amount;
}

function totalFaults(totalAmount: number, currency: string): QuoteFault[] {
  if (totalAmount === 0) return [{ code: 'nothing_to_pay' }];
  const isPayable =
    totalAmount >= smallestAmount(currency) && totalAmount <= LARGEST_AMOUNT && fractionProblem(totalAmount, currency) === undefined;
  return isPayable ? [] : [{ code: 'not_payable' }];
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
