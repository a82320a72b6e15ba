import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';

import { parseConnectionUrl } from 'nodemailer/lib/shared';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

import type { MailerSettings } from './mailer.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Below the idle time-out of any server, so that a warm connection is seldom a dead one. */
const IDLE_TIMEOUT_MS = 4_000;
const MAX_IDLE_LINKS = 8;
/** How long to wait for replies that change nothing for the mail: to RSET, to QUIT. */
const COURTESY_MS = 2_000;

/** A connection that has said hello, and its socket, by which it can be torn down at once. */
export interface Link {
  readonly smtp: SMTPConnection;
  readonly socket: Socket;
  /** It has waited idle, so the server may have left without our knowing. */
  isReused: boolean;
  /** Its last transaction ended before the body. */
  needsReset: boolean;
}

/** Warm connections, the last used first, so that those too many go idle and leave. */
export class LinkPool {
  readonly #settings: MailerSettings;
  readonly #idle: { readonly link: Link; readonly timer: NodeJS.Timeout }[] = [];

  constructor(settings: MailerSettings) {
    this.#settings = settings;
  }

  async take(signal?: AbortSignal): Promise<Link> {
    for (let entry = this.#idle.pop(); entry; entry = this.#idle.pop()) {
      const { link, timer } = entry;
      clearTimeout(timer);
      if (!isGone(link)) {
        link.socket.ref();
        link.isReused = true;
        return link;
      }
    }
    return this.connect(signal);
  }

  /** Resolves when the connection is free again, or gone. */
  async give(link: Link): Promise<void> {
    if (link.needsReset && !isGone(link)) {
      await reset(link);
    }
    if (isGone(link)) {
      return;
    }
    if (this.#idle.length >= MAX_IDLE_LINKS) {
      leave(link);
      return;
    }
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((entry) => entry.link === link),
        1,
      );
      leave(link);
    }, this.#settings.idleTimeoutMs ?? IDLE_TIMEOUT_MS);
    timer.unref();
    link.socket.unref();
    this.#idle.push({ link, timer });
  }

  /** @throws {Error} when the server can't be reached in time, or refuses greeting or login */
  async connect(signal?: AbortSignal): Promise<Link> {
    const timeoutMs = this.#settings.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const { auth, ...options } = parseConnectionUrl(this.#settings.smtpUrl);
    const port = options.port ?? (options.secure ? 465 : 587);
    // The body is one small write after a reply: Nagle would hold it until the server's ACK.
    const socket = connectTcp({ host: options.host ?? 'localhost', port, noDelay: true });
    const failed = Promise.withResolvers<never>();
    const fail = (error: Error): void => failed.reject(error);
    const onAbort = (): void => fail(new Error('the connection was given up'));
    const timer = setTimeout(() => fail(new Error(`no SMTP server in ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener('abort', onAbort);
    socket.on('error', fail);
    try {
      signal?.throwIfAborted();
      await Promise.race([new Promise<void>((resolve) => socket.once('connect', resolve)), failed.promise]);
      const smtp = new SMTPConnection({
        ...options,
        port,
        name: this.#settings.hostName,
        connection: socket,
        connectionTimeout: timeoutMs,
        // Its close() then destroys; else it would end(), which flushes.
        socketCloseTimeout: 0,
      });
      smtp.on('error', fail);
      await Promise.race([greet(smtp, auth), failed.promise]);
      return { smtp, socket, isReused: false, needsReset: false };
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      failed.promise.catch(() => undefined);
    }
  }
}

async function greet(smtp: SMTPConnection, auth?: SMTPConnection.AuthenticationType): Promise<void> {
  await new Promise<void>((resolve, reject) => smtp.connect((error) => (error ? reject(error) : resolve())));
  if (auth && smtp.allowsAuth) {
    await new Promise<void>((resolve, reject) => smtp.login(auth, (error) => (error ? reject(error) : resolve())));
  }
}

function isGone({ smtp, socket }: Link): boolean {
  return smtp.destroyed || socket.destroyed || !socket.writable;
}

/** Ends a transaction that the server refused half-way. */
async function reset(link: Link): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('no reply to RSET')), COURTESY_MS);
  // A connection that breaks meanwhile calls nothing back.
  link.smtp.once('end', resolve);
  link.smtp.reset((error) => (error ? reject(error) : resolve()));
  try {
    await promise;
    link.needsReset = false;
  } catch {
    tearDown(link);
  } finally {
    clearTimeout(timer);
    link.smtp.off('end', resolve);
  }
}

/** Says QUIT and doesn't wait long for the answer. */
function leave({ smtp, socket }: Link): void {
  smtp.quit();
  setTimeout(() => socket.destroy(), COURTESY_MS).unref();
}

/**
 * Breaks a connection at once. RST, not FIN: after a FIN the kernel would go on delivering what it has in its
 * buffers, and a mail would arrive that was reported as not sent.
 */
export function tearDown({ smtp, socket }: Link): void {
  if (socket.writableEnded) {
    // The other side has left; a reset would fail here, and leave the handle open for good.
    socket.destroy();
  } else {
    socket.resetAndDestroy();
  }
  smtp.close();
}
