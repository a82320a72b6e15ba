import { createRandom } from '../lib/random.ts';

const CANCEL_SHARE = 0.08;
/** With several recipients, more is under way when the cancel comes. */
const CANCEL_SHARE_OF_MANY = 0.3;
/** Mails of so many go through the mail queue, where a cancel finds a step under way. */
const MIN_RECIPIENTS_IN_BODY = 3;
const SCHEDULE_SHARE = 0.1;
const NOTIFY_SHARE = 0.15;
const MAX_DELAY_MS = 3_000;
const SOON_MS = 500;
const LATE_MS = 4_000;

/** One mail of the load. Every address is used by one mail only, so that a journal tells a second copy by the address alone. */
export interface PlannedMail {
  readonly ordinal: number;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  /** All of them. */
  readonly recipients: readonly string[];
  /** `startAt` lies this far ahead of the first request. */
  readonly delayMs?: number;
  /** Who is told of its end, however it ends. */
  readonly notify?: string;
  /** A cancel is asked for this long after the acknowledgement. */
  readonly cancelAfterMs?: number;
  /** … but not before the mail server has a body of it, which it takes only then. */
  readonly isCancelledInBody?: true;
}

/** The load of a run: a third of the mails with 2 to 5 recipients, bcc among them. */
export function planMails(seed: number, count: number): readonly PlannedMail[] {
  return Array.from({ length: count }, (_, ordinal) => planMail(seed, ordinal));
}

function planMail(seed: number, ordinal: number): PlannedMail {
  const random = createRandom(seed, 'mail', ordinal);
  const size = ordinal % 3 === 0 ? 2 + random.below(4) : 1;
  const recipients = Array.from({ length: size }, (_, index) => `m${ordinal}-${index}@chaos.example`);
  const bccs = size === 1 ? 0 : 1 + random.below(size - 1);
  const open = recipients.slice(0, size - bccs);
  const delay = random.chance(SCHEDULE_SHARE) ? { delayMs: 300 + random.below(MAX_DELAY_MS) } : {};
  // Half of the cancels come while the first tries are under way, the others at any time.
  const cancelAfterMs = Math.round(random.chance(0.5) ? SOON_MS * random.next() ** 2 : (delay.delayMs ?? 0) + LATE_MS * random.next());
  const isCancelled = random.chance(size === 1 ? CANCEL_SHARE : CANCEL_SHARE_OF_MANY);
  const isCancelledInBody = isCancelled && size >= MIN_RECIPIENTS_IN_BODY && delay.delayMs === undefined;
  return {
    ordinal,
    to: open.slice(0, 2),
    cc: open.slice(2),
    bcc: recipients.slice(size - bccs),
    recipients,
    ...delay,
    ...(isCancelled ? { cancelAfterMs } : {}),
    ...(isCancelledInBody ? { isCancelledInBody } : {}),
    ...(random.chance(NOTIFY_SHARE) ? { notify: `n${ordinal}@chaos.example` } : {}),
  };
}
