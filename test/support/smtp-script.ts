import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Where a transaction can be made to fail; 'body' is after its end was read, before the reply. */
export type SmtpMoment = 'mail' | 'rcpt' | 'data' | 'mid-body' | 'body';

/** A reply code in place of the usual one, or no reply: connection dropped, or left waiting. */
export interface SmtpFault {
  readonly at: SmtpMoment;
  readonly act: number | 'drop' | 'stall';
  /** What the server says after the code. */
  readonly says?: string;
}

/** What the script knows of a transaction when it decides. Counted from 1. */
export interface SmtpTransaction {
  readonly ordinal: number;
  readonly connection: number;
  /** Its place among those of its connection. */
  readonly ordinalOfConnection: number;
}

/** A mail that the server took, whether or not it got to say so. */
export interface AcceptedMail {
  readonly messageId: string;
  readonly recipient: string;
  /** As received, dots unstuffed. */
  readonly source: string;
}

/** How the scripted server differs from a plain, friendly one. */
export interface SmtpScript {
  readonly fault?: (transaction: SmtpTransaction) => SmtpFault | undefined;
  /** Announce PIPELINING; on by default. */
  readonly hasPipelining?: boolean;
  readonly greeting?: string;
}

/** The record of a scripted server, read while it runs and after. */
export interface SmtpScriptServer extends AsyncDisposable {
  readonly url: string;
  readonly accepted: AcceptedMail[];
  /** Every transaction that came as far as MAIL FROM, in order. */
  readonly recipients: string[];
  readonly counts: { connections: number; transactions: number; bodyBytes: number };
  /** Runs at the first body byte of a transaction. */
  onBody: (() => void) | undefined;
  /** Hangs up on everybody, as an idle time-out does. */
  hangUp(): void;
}

/** Starts an SMTP server on a free port of 127.0.0.1 that fails where the script says. */
export async function startSmtpScript(script: SmtpScript = {}): Promise<SmtpScriptServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    record.counts.connections += 1;
    new Conversation({ socket, script, record, connection: record.counts.connections }).begin();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // The server listens on TCP, whose address is an object.
  const { port } = server.address() as AddressInfo;
  const hangUp = (): void => sockets.forEach((socket) => socket.destroy());
  const record: SmtpScriptServer = {
    url: `smtp://127.0.0.1:${port}`,
    accepted: [],
    recipients: [],
    counts: { connections: 0, transactions: 0, bodyBytes: 0 },
    onBody: undefined,
    hangUp,
    async [Symbol.asyncDispose]() {
      server.close();
      hangUp();
      await once(server, 'close');
    },
  };
  return record;
}

interface ConversationParts {
  readonly socket: Socket;
  readonly script: SmtpScript;
  readonly record: SmtpScriptServer;
  readonly connection: number;
}

class Conversation {
  readonly #parts: ConversationParts;
  #pending = '';
  /** Pieces of the body while one is read, as latin1 text so that bytes are kept. */
  #body: string[] | undefined;
  #tail = '';
  #recipient = '';
  #transactions = 0;
  #fault: SmtpFault | undefined;
  #isOver = false;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
  }

  begin(): void {
    this.#say(this.#parts.script.greeting ?? '220 script ESMTP');
    this.#parts.socket.on('data', (chunk) => this.#read(chunk.toString('latin1')));
  }

  #read(text: string): void {
    if (this.#isOver) {
      return;
    }
    if (this.#body) {
      this.#readBody(this.#body, text);
      return;
    }
    const lines = (this.#pending + text).split('\r\n');
    this.#pending = lines.pop() ?? '';
    for (const [index, line] of lines.entries()) {
      this.#answer(line);
      if (this.#body) {
        const rest = [...lines.slice(index + 1), this.#pending].join('\r\n');
        this.#pending = '';
        return rest === '' ? undefined : this.#read(rest);
      }
    }
  }

  #answer(line: string): void {
    const [verb = ''] = line.toUpperCase().split(/[ :]/, 1);
    switch (verb) {
      case 'EHLO':
        this.#say(this.#parts.script.hasPipelining === false ? '250 script' : '250-script\r\n250 PIPELINING');
        break;
      case 'MAIL':
        this.#openTransaction();
        this.#reply('mail', '250 sender ok');
        break;
      case 'RCPT':
        this.#recipient = /<(.*)>/.exec(line)?.[1] ?? '';
        this.#parts.record.recipients.push(this.#recipient);
        this.#reply('rcpt', '250 recipient ok');
        break;
      case 'DATA':
        this.#openBody();
        break;
      case 'QUIT':
        this.#say('221 bye');
        this.#parts.socket.end();
        break;
      default:
        this.#say('250 ok');
    }
  }

  #openTransaction(): void {
    const { script, record, connection } = this.#parts;
    record.counts.transactions += 1;
    this.#transactions += 1;
    const ordinal = record.counts.transactions;
    this.#fault = script.fault?.({ ordinal, connection, ordinalOfConnection: this.#transactions });
  }

  #openBody(): void {
    const isRefusedBefore = this.#fault && ['mail', 'rcpt'].includes(this.#fault.at);
    if (isRefusedBefore) {
      this.#say('503 no valid recipient');
    } else if (this.#reply('data', '354 go on')) {
      this.#body = [];
      this.#tail = '\r\n';
    }
  }

  #readBody(body: string[], text: string): void {
    const { record, socket } = this.#parts;
    record.counts.bodyBytes += text.length;
    if (body.length === 0) {
      record.onBody?.();
    }
    body.push(text);
    if (this.#fault?.at === 'mid-body') {
      socket.pause();
      this.#reply('mid-body', '');
      return;
    }
    this.#tail = (this.#tail + text).slice(-5);
    if (this.#tail === '\r\n.\r\n') {
      this.#closeBody(body.join(''));
    }
  }

  #closeBody(text: string): void {
    const source = text.slice(0, -3).replace(/(^|\n)\.\./g, '$1.');
    this.#body = undefined;
    const isRefused = this.#fault?.at === 'body' && typeof this.#fault.act === 'number';
    if (!isRefused) {
      const messageId = /^message-id: *(\S+)/im.exec(source)?.[1] ?? '';
      this.#parts.record.accepted.push({ messageId, recipient: this.#recipient, source });
    }
    this.#reply('body', '250 queued');
  }

  /** Says the usual, or does what the script wants at this moment; true when it was the usual. */
  #reply(moment: SmtpMoment, usual: string): boolean {
    const fault = this.#fault?.at === moment ? this.#fault : undefined;
    if (fault?.act === 'drop') {
      this.#isOver = true;
      this.#parts.socket.destroy();
    } else if (fault?.act === 'stall') {
      this.#isOver = true;
    } else {
      this.#say(fault ? `${fault.act} ${fault.says ?? 'as the script says'}` : usual);
    }
    return fault === undefined;
  }

  #say(text: string): void {
    this.#parts.socket.write(`${text}\r\n`);
  }
}
