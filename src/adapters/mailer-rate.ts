import type { SlowDown } from './mailer.ts';

/** Enhanced status codes (RFC 3463): about an address or its mailbox, so about nobody else's mail. */
const OF_ONE_RECIPIENT = /^\d{3}[ -]4\.[12]\./m;
/** Greylisting wants this very mail later, and says nothing about others. */
const OF_ONE_MAIL = /gr[ae]y[- ]?list/i;
/** A server without these codes says it in words. */
const MAILBOX_WORDS = /mailbox|quota/i;
/** System full, system takes no mail now, congestion, and policy other than 4.7.1, which is what greylisting answers. */
const OF_THE_SERVER = /^\d{3}[ -]4\.(3\.[12]|4\.5|7\.(?!1\b)\d+)\b/m;
const RATE_WORDS =
  /\brate\b|rate[- ]?limit|throttl|too many (messages|mails|e-?mails|connections|sessions)|too (fast|quickly)|slow down|server busy/i;
const HINT = /\b(?:try|retry|wait)\b\D{0,60}?(\d{1,5}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b/i;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/**
 * Whether a temporary refusal is about how much is sent, or about the server itself, and not about this mail or its recipient: then no
 * other mail has to try. 421 closes the connection on whoever it is; 452 and 454 are about the server's storage and its security layer.
 */
export function askedToSlowDown(code: number, reply: string): SlowDown | undefined {
  if (code < 400 || code >= 500 || OF_ONE_RECIPIENT.test(reply) || OF_ONE_MAIL.test(reply)) return undefined;
  const isOfServer = code === 421 || code === 454 || (code === 452 && !MAILBOX_WORDS.test(reply));
  if (!isOfServer && !RATE_WORDS.test(reply) && !OF_THE_SERVER.test(reply)) return undefined;
  const [, amount, unit] = HINT.exec(reply) ?? [];
  if (amount === undefined || unit === undefined) return {};
  const unitMs = Object.entries(UNIT_MS).find(([letter]) => unit.toLowerCase().startsWith(letter))?.[1] ?? 0;
  return { forMs: Number(amount) * unitMs };
}
