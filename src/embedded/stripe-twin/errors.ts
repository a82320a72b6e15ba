import type Stripe from 'stripe';

type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';

/** The `error` of an answer, in Stripe's words. */
export interface ErrorBody {
  readonly type: ErrorType;
  readonly message: string;
  readonly code?: string;
  readonly decline_code?: string;
  readonly param?: string;
  readonly charge?: string;
  readonly doc_url?: string;
  readonly payment_intent?: Stripe.PaymentIntent;
  readonly payment_method?: Stripe.PaymentMethod;
}

/** A request that is refused before it has changed anything. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly body: { readonly error: ErrorBody };
  /** False while the request is only looked at: such answers are not kept for its idempotency key. */
  readonly hasBegun: boolean;

  constructor(status: number, error: ErrorBody, hasBegun = false) {
    super(error.message);
    this.status = status;
    this.body = { error };
    this.hasBegun = hasBegun;
  }
}

/** Parameters that make no sense: found before anything begins. */
export function invalid(message: string, details: Partial<Pick<ErrorBody, 'code' | 'param'>> = {}): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', message, ...details });
}

export function missing(object: string, id: string, param = 'id'): ApiError {
  const message = `No such ${object}: '${id}'`;
  return new ApiError(404, { type: 'invalid_request_error', code: 'resource_missing', message, param });
}

/** The object is in no state for it: found out while doing it. */
export function impossible(message: string, details: Partial<Pick<ErrorBody, 'code' | 'param' | 'payment_intent'>> = {}): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', message, ...details }, true);
}
