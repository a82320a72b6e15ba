import { ApplicationFailure } from '@temporalio/common';
import type { DeliveryReport, Mailer, MailSession, OutgoingMail } from '../../adapters/mailer.ts';
import { type EmailContent, type EmailEffect, isRepeatable } from '../../contracts/email.ts';
import { sealUnsubscribe, UNSUBSCRIBE_PLACEHOLDER } from '../../contracts/email-unsubscribe.ts';
import type { RunRef } from '../../contracts/pure/operations.ts';
import type { EffectRow } from '../../store/effects.ts';
import type { Store } from '../../store/index.ts';
import type { EffectParty, Sent } from '../lib/effect.ts';
import { sleepInActivity } from '../lib/heartbeat.ts';
import type { RouteGate } from './route-gate.ts';

/** Pauses between questions to a mailbox that does not answer; afterwards nobody knows. */
const ASK_AGAIN_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** How often a mail that may have arrived is sent again where nobody can be asked. */
const MAX_REPEATS = 3;

/** The whole mail, but for what each recipient has of their own. */
export interface MailJob {
  readonly run: RunRef;
  readonly content: EmailContent;
  readonly mail: OutgoingMail;
}

interface MailParts {
  readonly store: Store;
  /** Where unsubscribe links lead. */
  readonly publicUrl: string;
}

/** The mail with its files, as each recipient gets it: bulk carries a link of their own, in headers for mail programs and where its author put it. */
export async function personaliser({ store, publicUrl }: MailParts, { run, content, mail }: MailJob): Promise<Post['mailFor']> {
  const whole = await withFiles(store, { run, content, mail });
  if (content.category !== 'bulk') return () => whole;
  const secret = await store.email.unsubscribeSecret(run.tenantId);
  return (address) => {
    const token = sealUnsubscribe(secret, { tenantId: run.tenantId, rootId: run.rootId, address: address.toLowerCase() });
    const url = `${publicUrl}/unsubscribe/${token}`;
    return {
      ...whole,
      ...(mail.html === undefined ? {} : { html: mail.html.replaceAll(UNSUBSCRIBE_PLACEHOLDER, url) }),
      ...(mail.text === undefined ? {} : { text: mail.text.replaceAll(UNSUBSCRIBE_PLACEHOLDER, url) }),
      // RFC 8058: with both, mail programs show a button that asks for no confirmation.
      headers: { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' },
    };
  };
}

async function withFiles(store: Store, { run, content, mail }: MailJob): Promise<OutgoingMail> {
  if (content.attachments === undefined) return mail;
  const bytes = await store.email.attachments(
    run.tenantId,
    content.attachments.map(({ sha256 }) => sha256),
  );
  const attachments = content.attachments.map(({ filename, contentType, sha256 }) => {
    const file = bytes.get(sha256);
    if (file === undefined) throw ApplicationFailure.nonRetryable('A file of this mail is gone.', 'Rejected');
    return { filename, contentType, content: file };
  });
  return { ...mail, attachments };
}

export interface Post {
  readonly mailer: Mailer;
  readonly session: MailSession;
  readonly mailFor: (address: string) => OutgoingMail;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly plannedOf: ReadonlyMap<string, EmailEffect>;
  readonly content: EmailContent;
  readonly gate: RouteGate;
  /** Only finding out, so nothing is sent again. */
  readonly isSettling: boolean;
}

/** Told of what each try shows. */
export interface Watch {
  /** The next byte is irrevocable. */
  onBegun(): void;
  /** To be tried again later. */
  onPutOff(): void;
  /** Nothing was tried: the whole route is paused. */
  onHeld(): void;
  onReport(report: DeliveryReport): void;
}

/** The mail server, as what an effect is made at. */
export function partyOf(post: Post, watch: Watch): EffectParty {
  const { mailer, session, mailFor, budgetMs, signal, plannedOf, content, gate, isSettling } = post;
  const planned = (effect: EffectRow): EmailEffect => {
    const found = plannedOf.get(effect.step);
    if (found === undefined) throw ApplicationFailure.nonRetryable('An effect names no recipient of this mail.', 'AlreadyDone');
    return found;
  };
  const { lookup } = mailer;
  const repeats = (effect: EffectRow): boolean => !isSettling && isRepeatable(content) && effect.repeats < MAX_REPEATS;
  return {
    budgetMs,
    settleMs: mailer.settleMs,
    async send(effect, begin) {
      if ((await gate.pausedForMs()) > 0) {
        watch.onHeld();
        return { state: 'not_done' };
      }
      const { address } = planned(effect);
      const beforeBody = async (): Promise<number> => {
        const deadline = await begin();
        watch.onBegun();
        return deadline;
      };
      const report = await session.deliver({ mail: mailFor(address), recipient: address, beforeBody, signal });
      watch.onReport(report);
      const sent = sentOf(report);
      // Not at once: a server that lost one answer may lose the next.
      if (sent.state === 'not_done' || (sent.state === 'ambiguous' && lookup === undefined && repeats(effect))) watch.onPutOff();
      return sent;
    },
    repeats,
    reaches: (effect) => planned(effect).reaches,
    ask:
      lookup === undefined ? undefined : patient((effect) => lookup(mailFor(planned(effect).address).messageId, planned(effect).address)),
  };
}

type Ask = NonNullable<EffectParty['ask']>;

/** A mailbox that does not answer may just be starting again. All effects of one step share the patience. */
function patient(ask: Ask): Ask {
  const pauses = ASK_AGAIN_MS.values();
  return async (effect) => {
    for (;;) {
      const answer = await ask(effect);
      if (answer !== 'unknown') return answer;
      const { value: pauseMs } = pauses.next();
      if (pauseMs === undefined) return answer;
      await sleepInActivity(pauseMs);
    }
  };
}

function sentOf(report: DeliveryReport): Sent {
  switch (report.outcome) {
    case 'delivered':
      return { state: 'done', response: { smtpCode: report.code } };
    case 'refused':
      return { state: 'refused', response: { smtpCode: report.code } };
    case 'deferred':
      return { state: 'not_done', response: { smtpCode: report.code } };
    case 'not_sent':
      return { state: 'not_done' };
    case 'ambiguous':
      return { state: 'ambiguous' };
  }
}
