import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { z } from 'zod';

import type { MailPresence } from './mailer.ts';

const ANSWER_TIMEOUT_MS = 5_000;
/** A mailbox that was stalled answers HTTP before it has read what waits on its SMTP sockets. */
const SECOND_LOOK_MS = 250;
const MARK_HEADER = 'X-Delivery-Mark';
const SIZE_HEADER = 'X-Delivery-Size';

const foundMails = z.array(
  z.object({
    size: z.number(),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
  }),
);

/**
 * The first header lines of every mail: Message-ID and recipient as one hash, and the length of
 * the message after these lines. Needed because maildev forgets the envelopes when it restarts,
 * and then shows the torn files of broken transactions as if they were mails.
 */
export function deliveryMarkLines({ messageId, recipient, sizeBytes }: MarkedDelivery): string {
  return markLines(markHash(messageId, recipient), sizeBytes);
}

/** What a mark tells about a delivery. */
export interface MarkedDelivery {
  readonly messageId: string;
  readonly recipient: string;
  /** Of the message without the mark's own lines. */
  readonly sizeBytes: number;
}

/**
 * Asks maildev's API whether a mail of ours arrived whole for a recipient. One that is torn,
 * an answer that is late or not understood, and a server that isn't there are all 'unknown'.
 */
export function createMailLookup(lookupUrl: string): (messageId: string, recipient: string) => Promise<MailPresence> {
  const base = lookupUrl.endsWith('/') ? lookupUrl : `${lookupUrl}/`;
  return async (messageId, recipient) => {
    const hash = markHash(messageId, recipient);
    const url = new URL('api/email', base);
    url.searchParams.set(`headers.${MARK_HEADER.toLowerCase()}`, hash);
    const first = await ask(url, hash);
    if (first !== 'absent') {
      return first;
    }
    await delay(SECOND_LOOK_MS);
    return ask(url, hash);
  };
}

async function ask(url: URL, hash: string): Promise<MailPresence> {
  try {
    const { username, password } = url;
    // fetch refuses a URL with a login in it; maildev's page can be behind basic authentication.
    const target = new URL(url);
    target.username = '';
    target.password = '';
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const response = await fetch(target, {
      headers: username === '' ? {} : { authorization: `Basic ${btoa(login)}` },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    return response.status === 200 ? judge(foundMails.parse(await response.json()), hash) : 'unknown';
  } catch {
    return 'unknown';
  }
}

function judge(mails: z.infer<typeof foundMails>, hash: string): MailPresence {
  const marked = mails.filter(({ headers }) => headers[MARK_HEADER.toLowerCase()] === hash);
  if (marked.length === 0) {
    return 'absent';
  }
  const isWhole = marked.some(({ headers, size }) => {
    const sizeBytes = Number(headers[SIZE_HEADER.toLowerCase()]);
    return size === markLines(hash, sizeBytes).length + sizeBytes;
  });
  return isWhole ? 'accepted' : 'unknown';
}

function markLines(hash: string, sizeBytes: number): string {
  return `${MARK_HEADER}: ${hash}\r\n${SIZE_HEADER}: ${sizeBytes}\r\n`;
}

function markHash(messageId: string, recipient: string): string {
  return createHash('sha256').update(`${messageId}\n${recipient}`).digest('hex').slice(0, 32);
}
