import { createMailLookup } from './mailer-lookup.ts';
import { createSmtpSender } from './mailer-smtp.ts';

/**
 * The embedded mailbox shows a mail within milliseconds of its last byte; the rest is room for a
 * machine under load. A stopped mailbox doesn't answer the look-up either, which is 'unknown'.
 */
const SETTLE_MS = 2_000;

/**
 * One e-mail as its recipients see it. The same values give the same bytes, so that a retry is
 * the same mail again and not another one.
 */
export interface OutgoingMail {
  /** `<hash@host>`, made from the business key, the same for all recipients. */
  readonly messageId: string;
  /** ISO; when the operation was created, never when it is sent. */
  readonly date: string;
  readonly from: string;
  /** The header; who gets the mail is `Delivery.recipient`. */
  readonly to: readonly string[];
  /** The header. There is none for bcc: those recipients appear only in the envelope. */
  readonly cc: readonly string[];
  readonly replyTo?: string;
  readonly subject: string;
  readonly html?: string;
  readonly text?: string;
  readonly attachments?: readonly MailAttachment[];
  /** Further headers; line breaks in them become spaces. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface MailAttachment {
  readonly filename: string;
  readonly contentType: string;
  readonly content: Buffer;
}

/** The server wants less mail, whoever's it is. */
export interface SlowDown {
  /** How long the server wants to be left alone, where it says so. */
  readonly forMs?: number;
}

/** How one transaction ended, in the terms that decide whether the mail may be sent again. */
export type DeliveryReport =
  /** Accepted: 2xx after the body. */
  | { readonly outcome: 'delivered'; readonly code: number }
  /** 4xx: surely not accepted now, may be tried again. */
  | { readonly outcome: 'deferred'; readonly code: number; readonly slowDown?: SlowDown }
  /** 5xx: final. Also 552 (over the server's SIZE) and 553 (no valid address), found out here. */
  | { readonly outcome: 'refused'; readonly code: number }
  /** The end of the body was not written: surely not accepted. */
  | {
      readonly outcome: 'not_sent';
      readonly reason: 'connect' | 'dropped' | 'timeout' | 'aborted' | 'gate';
    }
  /** The body was written to its end and no reply came: only the other side knows. */
  | { readonly outcome: 'ambiguous'; readonly reason: 'dropped' | 'timeout' | 'aborted' };

/** One mail for exactly one recipient of the envelope: one transaction, one answer. */
export interface Delivery {
  readonly mail: OutgoingMail;
  readonly recipient: string;
  /**
   * Called at most once, after the server's 354 and directly before the first byte of the body.
   * Resolves to the deadline, in ms of `performance.now()`, until which may be written; the
   * connection is destroyed when it passes, also while waiting for the reply.
   * Rejecting means: do not send.
   */
  readonly beforeBody: () => Promise<number>;
  readonly signal?: AbortSignal;
}

/** Sends deliveries one after another; several sessions send at the same time. */
export interface MailSession {
  /** Reports outside conditions, never throws for them. Calls made at once run in their order. */
  deliver(delivery: Delivery): Promise<DeliveryReport>;
  /** Waits for the deliveries under way; the connection stays warm for the next session. */
  close(): Promise<void>;
}

/** Whether the receiving side has a mail; 'unknown' when it can't be asked or can't be believed. */
export type MailPresence = 'accepted' | 'absent' | 'unknown';

/** What sends mail, and, where the receiving side can be asked, tells whether a mail arrived. */
export interface Mailer {
  /** One connection for several deliveries; reconnects by itself after a drop. */
  openSession(): MailSession;
  /** Present where the receiving side can be asked. 'absent' counts only after `settleMs`. */
  readonly lookup?: (messageId: string, recipient: string) => Promise<MailPresence>;
  /** How long after a dropped reply a mail may still appear on the other side. */
  readonly settleMs: number;
  /**
   * Talks to the server without sending, for readiness.
   * @throws {Error} when it can't be reached, or refuses the greeting or the login
   */
  verify(): Promise<void>;
}

/** Where mail goes and how long the other side may take. */
export interface MailerSettings {
  /**
   * `smtp[s]://user:pass@host:port`; query options as nodemailer has them, such as
   * `?requireTLS=true` or `?tls.rejectUnauthorized=false`.
   */
  readonly smtpUrl: string;
  /** Base URL of a maildev, whose API then answers `lookup`. */
  readonly lookupUrl?: string;
  /** How we call ourselves in EHLO. */
  readonly hostName?: string;
  /** For TCP, TLS, greeting and login together; 10 s by default. */
  readonly connectTimeoutMs?: number;
  /** For the envelope, the gate, the body and its reply, each; 30 s by default. */
  readonly replyTimeoutMs?: number;
  /** How long an unused connection stays warm; 4 s by default. */
  readonly idleTimeoutMs?: number;
}

/**
 * The mailer for a server that speaks SMTP. It holds no resource that keeps a process alive:
 * warm connections close by themselves.
 */
export function createMailer(settings: MailerSettings): Mailer {
  const { lookupUrl } = settings;
  return {
    ...createSmtpSender(settings),
    ...(lookupUrl === undefined ? {} : { lookup: createMailLookup(lookupUrl) }),
    settleMs: SETTLE_MS,
  };
}
