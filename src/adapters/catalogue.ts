import type { Quote } from '../contracts/checkout/quotes.ts';

export interface QuoteRequest {
  readonly tenantId: string;
  /** Its own hold counts as available to it. Absent: there is no cart yet. */
  readonly cartId?: string;
  readonly currency: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
  readonly now: Date;
}

/**
 * What things cost and whether they are there. The product brings a driver over its own tables; a host application may put its own
 * catalogue here. Prices of answers are trusted, so a driver takes none from buyers.
 */
export interface Catalogue {
  /** Prices every line that can be priced, and says what is wrong with the others. */
  quote(request: QuoteRequest): Promise<Quote>;
}
