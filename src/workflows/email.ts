import { defineSignal, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';
import type { EmailActivities } from '../activities/email.ts';
import { type EmailProgress, outcomeOfEmail } from '../contracts/pure/email.ts';
import type { Asked } from '../contracts/pure/messages.ts';
import type { OperationRef, Outcome } from '../contracts/pure/operations.ts';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import { type OperationControl, runOperation } from './lib/operation.ts';
import { PROFILES } from './lib/profiles.ts';

const firstTry = proxyLocalActivities<EmailActivities>({ ...PROFILES.bookkeeping, summary: 'Open and send' });
const mail = proxyActivities<EmailActivities>({ ...PROFILES.outside, taskQueue: TASK_QUEUES.mail, summary: 'Send what is left' });

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 15 * 60_000; // 15 min
/** Over how long mails come back that a paused server held back again and again. */
const MAX_SPREAD_MS = 2 * 60_000; // 2 min
const GIVE_UP_AFTER_MS = 24 * 3_600_000; // 24 h, as mail servers do by default with a message that stays put off

/** Signal: don't wait for the next try of recipients whom the server put off. */
export const retryNow = defineSignal<[Asked]>('retryNow');

/**
 * One mail to up to 50 recipients, one SMTP transaction and one effect each. The first try runs in the opening step; recipients whom the
 * server puts off are tried again with growing delays for a day. Signals: pause, resume, retryNow.
 */
export async function email(ref: OperationRef) {
  let isRetryAsked = false;
  setHandler(
    retryNow,
    () => {
      isRetryAsked = true;
    },
    { description: 'Try recipients again now that were put off.' },
  );
  return runOperation<EmailProgress>(ref, {
    open: firstTry.openEmail,
    run: (first, control) =>
      sendAll(first, control, {
        isAsked: () => isRetryAsked,
        clear: () => {
          isRetryAsked = false;
        },
      }),
    settle: async (run) => {
      await mail.sendEmail({ run, isSettling: true });
    },
  });
}

interface RetrySwitch {
  isAsked(): boolean;
  clear(): void;
}

async function sendAll(first: EmailProgress, control: OperationControl, retry: RetrySwitch): Promise<Outcome> {
  let giveUpAt: number | undefined;
  let progress = first;
  let putOffs = 0;
  let holds = 0;
  while (progress.pending > 0) {
    if (progress.isPutOff) {
      const now = control.run().nowMs;
      // From when it was put off first: it may have waited for days before that, for its time or for a worker.
      giveUpAt ??= now + GIVE_UP_AFTER_MS;
      if (now >= giveUpAt) break;
      const leftMs = Math.min(giveUpAt, progress.expiresAtMs ?? giveUpAt) - now;
      const delayMs = delayOf(progress, progress.held === undefined ? putOffs : holds);
      await control.wait({ durationMs: Math.max(0, Math.min(delayMs, leftMs)), ...reasonOf(progress), until: retry.isAsked });
      retry.clear();
    }
    // A pause of the whole server says nothing about this mail.
    if (progress.held === undefined) putOffs += 1;
    else holds += 1;
    await control.checkpoint();
    progress = await mail.sendEmail({ run: control.run(), isSettling: false });
    if (progress.isExpired) break;
  }
  return outcomeOfEmail(progress);
}

function delayOf({ held }: EmailProgress, round: number): number {
  const ownMs = FIRST_DELAY_MS * 2 ** round;
  if (held === undefined) return Math.min(ownMs, MAX_DELAY_MS);
  return held.forMs + Math.round(held.spread * Math.min(ownMs, MAX_SPREAD_MS));
}

function reasonOf({ held, pending }: EmailProgress): { readonly phase: string; readonly message: string } {
  return held === undefined
    ? { phase: 'put_off', message: `Recipients put off: ${pending}. The next try follows.` }
    : { phase: 'route_paused', message: `The mail server asked for less mail. Recipients waiting: ${pending}.` };
}
