import type { Outcome } from './operations.ts';

/** How a mail stands: recipients by what became of them. */
export interface EmailStanding {
  readonly messageId: string;
  readonly sent: number;
  readonly refused: number;
  /** Not sent, since these get no mail. */
  readonly suppressed: number;
  readonly unknown: number;
  /** Recipients still to be served. */
  readonly pending: number;
  /** Recipients who will not be served, since the mail was cancelled. */
  readonly cancelled?: number;
  /** `expiresAt` has passed: nothing more is begun. */
  readonly isExpired: boolean;
}

/** What a step of a mail tells the workflow. */
export interface EmailProgress extends EmailStanding {
  /** The server put recipients off: wait before the next try. */
  readonly isPutOff: boolean;
  /** The mail server wants no mail for a while, whoever's it is. Not this mail's fault, so its own delays do not grow. */
  readonly held?: {
    readonly forMs: number;
    /** 0 to 1: where among all that wait this one goes on, so that they do not come all at once. */
    readonly spread: number;
  };
  readonly expiresAtMs?: number;
}

/** How a mail's operation ends when nothing more is done for it: as the worst that became of one of its recipients. */
export function outcomeOfEmail(standing: EmailStanding): Outcome {
  const { messageId, sent, refused, suppressed, unknown, pending, cancelled = 0, isExpired } = standing;
  const result = { messageId, sent, refused: refused + pending, suppressed, unknown, cancelled };
  if (unknown > 0) {
    const message = `The server took the whole mail and did not answer, and nobody could be asked. Recipients: ${unknown}.`;
    return { status: 'unknown', error: { code: 'outcome_unknown', message, retryable: true }, result };
  }
  if (cancelled > 0) return { status: 'cancelled', result };
  if (isExpired && pending > 0) return { status: 'expired', result: { ...result, refused, cancelled: pending } };
  if (refused > 0)
    return {
      status: 'failed',
      error: { code: 'rejected', message: `Recipients refused by the mail server: ${refused}.`, retryable: false },
      result,
    };
  if (pending > 0)
    return {
      status: 'failed',
      error: { code: 'put_off', message: `Recipients put off for 24 hours: ${pending}.`, retryable: true },
      result,
    };
  // Whoever refused to be reached is no failure, unless nobody is left.
  if (suppressed > 0 && sent === 0)
    return {
      status: 'failed',
      error: { code: 'suppressed', message: `All recipients are suppressed: ${suppressed}.`, retryable: false },
      result,
    };
  return { status: 'succeeded', result };
}
