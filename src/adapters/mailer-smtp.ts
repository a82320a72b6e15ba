import { createHash } from 'node:crypto';
import { Duplex, Readable } from 'node:stream';

import MailComposer from 'nodemailer/lib/mail-composer';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';

import { deliveryMarkLines } from './mailer-lookup.ts';
import { askedToSlowDown } from './mailer-rate.ts';
import { LinkPool, tearDown } from './mailer-smtp-pool.ts';
import type { Link } from './mailer-smtp-pool.ts';
import type { Delivery, DeliveryReport, Mailer, MailerSettings, MailSession } from './mailer.ts';

const REPLY_TIMEOUT_MS = 30_000;
/** A message up to this size is one write; of a larger one, this much is the last write at most. */
const WRITE_BYTES = 64 * 1024;

type SendError = Parameters<Parameters<SMTPConnection['send']>[2]>[0];

/** A mail as it goes over the wire: dot-stuffed, with the line that ends it. */
interface Parcel {
  readonly envelope: { readonly from: string; readonly to: string; readonly size: number };
  readonly bytes: Buffer;
}

interface Attempt {
  readonly report: DeliveryReport;
  /** The caller was asked nothing yet, and the warm connection turned out to be gone. */
  readonly wasStale: boolean;
}

/** Sends by SMTP over a few warm connections; nodemailer talks, socket and body are ours. */
export function createSmtpSender(settings: MailerSettings): Pick<Mailer, 'openSession' | 'verify'> {
  const pool = new LinkPool(settings);
  return {
    openSession: () => createSession(pool, settings.replyTimeoutMs ?? REPLY_TIMEOUT_MS),
    verify: async () => pool.give(await pool.connect()),
  };
}

function createSession(pool: LinkPool, replyTimeoutMs: number): MailSession {
  let last: Promise<unknown> = Promise.resolve();
  return {
    deliver(delivery) {
      const report = last.then(() => deliver(pool, delivery, replyTimeoutMs));
      // A fault of one delivery is its caller's to see, not the next one's.
      last = report.catch(() => undefined);
      return report;
    },
    async close() {
      await last;
    },
  };
}

async function deliver(pool: LinkPool, delivery: Delivery, replyTimeoutMs: number): Promise<DeliveryReport> {
  const parcel = await pack(delivery);
  if (parcel === 'no_address') {
    return { outcome: 'refused', code: 553 };
  }
  let take = (): Promise<Link> => pool.take(delivery.signal);
  for (;;) {
    let link;
    try {
      link = await take();
    } catch (error) {
      if (delivery.signal?.aborted) return { outcome: 'not_sent', reason: 'aborted' };
      return turnedAway(error) ?? { outcome: 'not_sent', reason: 'connect' };
    }
    const attempt = await new Transaction({ link, parcel, delivery, replyTimeoutMs }).run();
    await pool.give(link);
    if (!attempt.wasStale) {
      return attempt.report;
    }
    // Once only: a fresh connection is never stale.
    take = () => pool.connect(delivery.signal);
  }
}

/** A server that greets with 4xx has too many connections, or no time. */
function turnedAway(error: unknown): DeliveryReport | undefined {
  const reply = error instanceof Error && 'response' in error && typeof error.response === 'string' ? error.response : '';
  return /^4\d\d/.test(reply) ? deferredBy(Number(reply.slice(0, 3)), reply) : undefined;
}

function deferredBy(code: number, reply: string): DeliveryReport {
  const slowDown = askedToSlowDown(code, reply);
  return { outcome: 'deferred', code, ...(slowDown === undefined ? {} : { slowDown }) };
}

/** Builds the message: the same delivery always gives the same bytes. */
async function pack({ mail, recipient }: Delivery): Promise<Parcel | 'no_address'> {
  const node = new MailComposer({
    ...mail,
    // A string would go into the header as it is.
    date: new Date(mail.date),
    to: [...mail.to],
    cc: [...mail.cc],
    headers: { ...mail.headers },
    attachments: [...(mail.attachments ?? [])],
    baseBoundary: createHash('sha256').update(mail.messageId).digest('hex').slice(0, 24),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile();
  const { from, to } = node.setEnvelope({ from: mail.from, to: recipient }).getEnvelope();
  const [address, ...others] = to;
  if (!from || address === undefined || others.length > 0 || /\p{Cc}/u.test(recipient)) {
    return 'no_address';
  }
  const lines = (await node.build()).toString('latin1').replace(/\r\n|\r|\n/g, '\r\n');
  const content = lines.endsWith('\r\n') ? lines : `${lines}\r\n`;
  const mark = { messageId: mail.messageId, recipient, sizeBytes: content.length };
  const message = deliveryMarkLines(mark) + content;
  const bytes = Buffer.from(`${message.replace(/\n\./g, '\n..')}.\r\n`, 'latin1');
  return { envelope: { from, to: address, size: message.length }, bytes };
}

/** What nodemailer asks, instead of reading a stream, to pipe the message once 354 has come. */
class BodyCue extends Readable {
  readonly #onCue: () => void;

  constructor(onCue: () => void) {
    super({ read: () => undefined });
    this.#onCue = onCue;
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T): T {
    // nodemailer's encoder would write the body in pieces, and the end of it whenever its
    // stream ends: no deadline can be checked there. It stays unused, off the socket.
    if (destination instanceof Duplex) {
      destination.unpipe();
    }
    this.#onCue();
    return destination;
  }
}

interface TransactionParts {
  readonly link: Link;
  readonly parcel: Parcel;
  readonly delivery: Delivery;
  readonly replyTimeoutMs: number;
}

/** One mail over one connection, from MAIL FROM to the reply to its body. */
class Transaction {
  readonly #parts: TransactionParts;
  readonly #end = Promise.withResolvers<Attempt>();
  #phase: 'envelope' | 'gate' | 'body' | 'written' | 'over' = 'envelope';
  #timer: NodeJS.Timeout | undefined;
  #until = Infinity;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  async run(): Promise<Attempt> {
    const { link, parcel, delivery } = this.#parts;
    const onAbort = (): void => this.#breakOff('aborted');
    delivery.signal?.addEventListener('abort', onAbort);
    try {
      this.#enter('envelope');
      if (delivery.signal?.aborted) {
        onAbort();
      } else {
        const cue = new BodyCue(() => void this.#passGate());
        // A copy: nodemailer writes the outcome into it, and would find it again the next time.
        link.smtp.send({ ...parcel.envelope }, cue, (error, info) => this.#onEnd(error, info?.response));
      }
      return await this.#end.promise;
    } finally {
      delivery.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Each phase has the time-out anew, and none outlives the deadline. */
  #enter(phase: 'envelope' | 'gate' | 'body' | 'written'): void {
    this.#phase = phase;
    clearTimeout(this.#timer);
    const leftMs = Math.min(this.#parts.replyTimeoutMs, this.#until - performance.now());
    this.#timer = setTimeout(() => this.#breakOff('timeout'), Math.max(leftMs, 0));
  }

  async #passGate(): Promise<void> {
    if (this.#phase !== 'envelope') {
      return;
    }
    this.#enter('gate');
    try {
      this.#until = await this.#parts.delivery.beforeBody();
    } catch {
      this.#breakOff('gate');
      return;
    }
    await this.#writeBody();
  }

  async #writeBody(): Promise<void> {
    const { smtp } = this.#parts.link;
    const { bytes } = this.#parts.parcel;
    const socket = smtp._socket;
    let offset = 0;
    for (; bytes.length - offset > WRITE_BYTES; offset += WRITE_BYTES) {
      if (!socket || !this.#mayWrite('body')) {
        return;
      }
      // Waiting for each piece keeps the end out of libuv's queue, which writes without asking.
      const piece = bytes.subarray(offset, offset + WRITE_BYTES);
      await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    }
    if (socket && this.#mayWrite('written')) {
      socket.write(bytes.subarray(offset));
    }
  }

  /** A process that was stopped comes back with the timers late: so the clock is asked, here. */
  #mayWrite(phase: 'body' | 'written'): boolean {
    if (this.#phase === 'over') {
      return false;
    }
    if (!(performance.now() < this.#until)) {
      this.#breakOff('timeout');
      return false;
    }
    this.#enter(phase);
    return true;
  }

  #onEnd(error: SendError | undefined, response: string | undefined): void {
    const phase = this.#phase;
    if (phase === 'over') {
      return;
    }
    const { link } = this.#parts;
    const code = error ? codeOf(error) : Number(response?.slice(0, 3));
    const isEarly = phase === 'gate' || phase === 'body';
    if (code === undefined || code < 400) {
      if (!error && phase === 'written') {
        this.#finish({ outcome: 'delivered', code: code ?? 250 });
        return;
      }
      // Gone, or talking out of turn: nothing more is to be believed on this connection.
      const wasStale = phase === 'envelope' && link.isReused && error?.code !== 'ETIMEDOUT';
      this.#breakOff(error?.code === 'ETIMEDOUT' ? 'timeout' : 'dropped', wasStale);
      return;
    }
    if (isEarly || code === 421) {
      tearDown(link);
    }
    link.needsReset = phase === 'envelope';
    const wasStale = phase === 'envelope' && link.isReused && code === 421;
    this.#finish(code < 500 ? deferredBy(code, error?.response ?? '') : { outcome: 'refused', code }, wasStale);
  }

  #breakOff(reason: 'dropped' | 'timeout' | 'aborted' | 'gate', wasStale = false): void {
    if (this.#phase === 'over') {
      return;
    }
    const isWritten = this.#phase === 'written';
    // Before anything else: what the kernel still holds must not leave.
    tearDown(this.#parts.link);
    const report: DeliveryReport = isWritten && reason !== 'gate' ? { outcome: 'ambiguous', reason } : { outcome: 'not_sent', reason };
    this.#finish(report, wasStale);
  }

  #finish(report: DeliveryReport, wasStale = false): void {
    this.#phase = 'over';
    clearTimeout(this.#timer);
    this.#end.resolve({ report, wasStale });
  }
}

/** The server's refusal behind nodemailer's error, or what nodemailer itself found to refuse. */
function codeOf(error: NonNullable<SendError>): number | undefined {
  const isAnswer = error.code === 'EENVELOPE' || error.code === 'EMESSAGE';
  if (isAnswer && !error.response) {
    // Found out before asking: a size over the server's, or an address that fits no command.
    return error.code === 'EMESSAGE' ? 552 : 553;
  }
  return isAnswer || error.responseCode === 421 ? error.responseCode : undefined;
}
