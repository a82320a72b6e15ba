import { type EmailContent, emailEffects, emailMessageId, type RecipientState } from './email.ts';
import type { EffectStanding } from './kinds.ts';
import { outcomeOfEmail } from './pure/email.ts';
import type { Outcome } from './pure/operations.ts';

/** What became of one recipient. Whom a stopped mail has not reached, it will not reach any more. */
export function recipientStateOf(effect: Omit<EffectStanding, 'step'> | undefined, isStopped: boolean): RecipientState {
  switch (effect?.state) {
    case 'done':
      return 'sent';
    case 'refused':
      return refusalOf(effect);
    case 'sending':
      return 'sending';
    case 'unknown':
      return 'unknown';
    case 'claimed':
    case undefined:
      return isStopped ? 'cancelled' : 'pending';
  }
}

function refusalOf({ response, repeats }: Omit<EffectStanding, 'step'>): RecipientState {
  const reason = response?.['reason'];
  // Cancelled before it was sent again: the first may have arrived.
  if (reason === 'cancelled' && repeats > 0) return 'unknown';
  // What an operation that expired left undone is shown like what a cancel left undone.
  if (reason === 'expired') return 'cancelled';
  return reason === 'cancelled' || reason === 'suppressed' ? reason : 'refused';
}

/** How a mail ends that was cancelled. When all its recipients have it, the cancel came too late. */
export function endingOfEmail(content: EmailContent, rootId: string, effects: readonly EffectStanding[]): Outcome {
  const byStep = new Map(effects.map((effect) => [effect.step, effect]));
  const states = emailEffects(content, rootId).map(({ step }) => recipientStateOf(byStep.get(step), true));
  const count = (wanted: RecipientState): number => states.filter((state) => state === wanted).length;
  return outcomeOfEmail({
    messageId: emailMessageId(rootId),
    sent: count('sent'),
    refused: count('refused'),
    suppressed: count('suppressed'),
    unknown: count('unknown'),
    pending: 0,
    cancelled: count('cancelled'),
    isExpired: false,
  });
}
