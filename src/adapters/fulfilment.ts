export interface FulfilmentRequest {
  readonly tenantId: string;
  readonly orderId: string;
  /** The business key: the same for every attempt at the same order, so that goods leave once. */
  readonly key: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  /** A person has looked at it and said yes. */
  readonly isApproved: boolean;
  readonly signal?: AbortSignal;
}

/** Why and how an order's goods leave, or don't. */
export type FulfilmentReport =
  | { readonly outcome: 'accepted'; readonly reference: string }
  /** For good: the buyer gets the money back. */
  | { readonly outcome: 'refused'; readonly code: string }
  /** A person must approve it first. */
  | { readonly outcome: 'held'; readonly code: string }
  /** Surely nothing happened; it may be tried again. */
  | { readonly outcome: 'not_done' }
  /** It may have happened. The same key may be sent again. */
  | { readonly outcome: 'unknown' };

/** Hands paid orders over to whoever packs and ships them. Reports outside conditions, never throws for them. */
export interface Fulfilment {
  fulfil(request: FulfilmentRequest): Promise<FulfilmentReport>;
}
