import { core } from './steps.ts';

/** As somebody types it behind `--input`; whatever comes is checked when it is acted on. */
export interface RefundRequest {
  readonly tenantId: string;
  readonly orderId: string;
  /** All that is left when absent. */
  readonly amount?: number;
  /** The same refund again has the same id; what has none is the one refund of its amount. */
  readonly id?: string;
  readonly actor?: string;
}

/**
 * Asks for a refund of an order whose own workflow has ended and takes no signal any more: `temporal workflow execute --type refundRequest`.
 * Answers with the refund's operation, or fails with why there is none.
 */
export async function refundRequest(asked: RefundRequest): Promise<{ readonly refundId: string }> {
  return core.requestRefund({ asked, nowMs: Date.now() });
}
