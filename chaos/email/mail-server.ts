import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Ledger } from '../lib/ledger.ts';
import { createRandom } from '../lib/random.ts';
import type { Holds } from './holds.ts';
import { addressesIn, headersOf, type JournalEntry, type StoredMail } from './journal.ts';

const LOST_SHARE = 0.05;
const DROPPED_SHARE = 0.02;
const PUT_OFF_SHARE = 0.05;
/** A recipient is failed at most so often, so that a run has an end. */
const MAX_FAULTS = 4;

/** Where a transaction fails, if it does. `lost`: the mail is taken and the connection dropped in place of the reply. */
type Fault = 'lost' | 'drop_at_data' | 'drop_in_body' | 'put_off_at_rcpt' | 'put_off_after_body' | undefined;

export interface MailServerOptions {
  readonly seed: number;
  readonly journalFile: string;
  readonly holds?: Holds;
  /** A mail is in the journal, on the disk. `source`: as it came. */
  readonly onAccepted: (recipient: string, source: string) => void;
}

export interface MailServer extends AsyncDisposable {
  readonly smtpUrl: string;
  /** Answers as MailDev's API does. */
  readonly lookupUrl: string;
  /** How often it was asked for a mail. */
  lookups(): number;
}

interface Shared {
  readonly options: MailServerOptions;
  readonly journal: Ledger;
  readonly stored: StoredMail[];
  /** Transactions so far by recipient. */
  readonly tries: Map<string, number>;
}

/** The outside party: takes mails over SMTP, fails some by plan, and journals each with fsync before it answers. */
export async function startMailServer(options: MailServerOptions): Promise<MailServer> {
  const journal = await Ledger.create(options.journalFile);
  const shared: Shared = { options, journal, stored: [], tries: new Map() };
  const sockets = new Set<Socket>();
  const smtp = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    new Conversation(socket, shared).begin();
  });
  let lookups = 0;
  const http = createHttpServer((request, response) => {
    lookups += 1;
    const url = new URL(request.url ?? '/', 'http://lookup');
    const found = shared.stored.filter((mail) => isAskedFor(mail, url.searchParams));
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(found.map(({ headers, sizeBytes }) => ({ headers, size: sizeBytes }))));
  });
  const [smtpPort, httpPort] = await Promise.all([listen(smtp), listen(http)]);
  return {
    smtpUrl: `smtp://127.0.0.1:${smtpPort}`,
    lookupUrl: `http://127.0.0.1:${httpPort}`,
    lookups: () => lookups,
    async [Symbol.asyncDispose]() {
      smtp.close();
      http.close();
      http.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await journal[Symbol.asyncDispose]();
    },
  };
}

/** The fault of a recipient's n-th transaction, from 0; the same for a seed, whatever came first. */
export function faultOf(seed: number, recipient: string, tries: number): Fault {
  if (tries >= MAX_FAULTS) return undefined;
  const random = createRandom(seed, 'smtp', recipient, tries);
  const drawn = random.next();
  if (drawn < LOST_SHARE) return 'lost';
  if (drawn < LOST_SHARE + DROPPED_SHARE) return random.chance(0.5) ? 'drop_at_data' : 'drop_in_body';
  if (drawn < LOST_SHARE + DROPPED_SHARE + PUT_OFF_SHARE) return random.chance(0.5) ? 'put_off_at_rcpt' : 'put_off_after_body';
  return undefined;
}

class Conversation {
  readonly #socket: Socket;
  readonly #shared: Shared;
  #pending = '';
  #recipient = '';
  #fault: Fault;
  #isBody = false;
  #isOver = false;
  /** One piece of input at a time: the next waits for the disk. */
  #last: Promise<void> = Promise.resolve();

  constructor(socket: Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
  }

  begin(): void {
    this.#say('220 chaos ESMTP');
    this.#socket.on('data', (chunk) => {
      this.#pending += chunk.toString('latin1');
      this.#last = this.#last.then(() => this.#read());
    });
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      if (this.#isBody) {
        if (this.#fault === 'drop_in_body' && this.#pending !== '') return this.#drop('dropped');
        const end = this.#pending.startsWith('.\r\n') ? 0 : this.#pending.indexOf('\r\n.\r\n') + 2;
        if (end === 1) return;
        const source = this.#pending.slice(0, end).replace(/(^|\n)\.\./g, '$1.');
        this.#pending = this.#pending.slice(end + 3);
        this.#isBody = false;
        await this.#take(source);
      } else {
        const end = this.#pending.indexOf('\r\n');
        if (end < 0) return;
        const line = this.#pending.slice(0, end);
        this.#pending = this.#pending.slice(end + 2);
        await this.#answer(line);
      }
    }
  }

  async #answer(line: string): Promise<void> {
    const [verb = ''] = line.toUpperCase().split(/[ :]/, 1);
    switch (verb) {
      case 'EHLO':
        return this.#say('250-chaos\r\n250 PIPELINING');
      case 'RCPT':
        return this.#addRecipient(/<(.*)>/.exec(line)?.[1] ?? '');
      case 'DATA':
        if (this.#recipient === '') return this.#say('503 no valid recipient');
        if (this.#fault === 'drop_at_data') return this.#drop('dropped');
        this.#isBody = true;
        return this.#say('354 go on');
      case 'MAIL':
      case 'RSET':
        this.#recipient = '';
        return this.#say('250 ok');
      case 'QUIT':
        this.#say('221 bye');
        this.#socket.end();
        return;
      default:
        return this.#say('250 ok');
    }
  }

  async #addRecipient(recipient: string): Promise<void> {
    const { tries, options } = this.#shared;
    const before = tries.get(recipient) ?? 0;
    tries.set(recipient, before + 1);
    this.#fault = faultOf(options.seed, recipient, before);
    if (this.#fault === 'put_off_at_rcpt') {
      await this.#note('put_off', '', recipient);
      return this.#say('451 later');
    }
    this.#recipient = recipient;
    this.#say('250 ok');
  }

  async #take(source: string): Promise<void> {
    const recipient = this.#recipient;
    this.#recipient = '';
    if (this.#fault === 'put_off_after_body') {
      await this.#note('put_off', source, recipient);
      return this.#say('451 later');
    }
    const hold = this.#shared.options.holds?.body(recipient);
    // What its sender has given up meanwhile is not taken.
    if (hold !== undefined && !(await this.#outlasts(hold))) return this.#note('dropped', source, recipient);
    const isLost = this.#fault === 'lost';
    await this.#note(isLost ? 'lost' : 'accepted', source, recipient);
    this.#shared.stored.push({ headers: headersOf(source), sizeBytes: source.length });
    this.#shared.options.onAccepted(recipient, source);
    if (isLost) this.#hangUp();
    else this.#say('250 queued');
  }

  async #outlasts(hold: Promise<void>): Promise<boolean> {
    await Promise.race([hold, new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))]);
    this.#isOver = this.#socket.destroyed;
    return !this.#isOver;
  }

  async #drop(outcome: 'dropped'): Promise<void> {
    this.#hangUp();
    await this.#note(outcome, '', this.#recipient);
  }

  #hangUp(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #note(outcome: JournalEntry['outcome'], source: string, recipient: string): Promise<void> {
    const { 'message-id': messageId = '', subject = '' } = headersOf(source);
    const entry: JournalEntry = { at: Date.now(), outcome, recipient, messageId, subject, mentioned: addressesIn(source) };
    return this.#shared.journal.append(entry);
  }

  #say(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${text}\r\n`);
  }
}

/** `headers.NAME=VALUE`, all of them, as MailDev has it. */
function isAskedFor({ headers }: StoredMail, query: URLSearchParams): boolean {
  return [...query].every(([name, value]) => name.startsWith('headers.') && headers[name.slice('headers.'.length)] === value);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // It listens on TCP, whose address is an object.
  return (server.address() as AddressInfo).port;
}
