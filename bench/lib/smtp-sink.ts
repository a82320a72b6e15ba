import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A mail server that takes everything at once and forgets it: the same for product and baseline. */
export interface SmtpSink extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Mails taken so far. */
  mails(): number;
  /** Resolves, when so many mails are there, to `performance.now()` of that moment. */
  reached(mails: number): Promise<number>;
  /** Resolves, at the next byte that any client sends, to `performance.now()` of that moment. */
  nextByte(): Promise<number>;
}

interface Watch {
  byte: ((now: number) => void) | undefined;
  mails: number;
  waiting: { readonly mails: number; readonly resolve: (now: number) => void }[];
}

export async function startSmtpSink(): Promise<SmtpSink> {
  const sockets = new Set<Socket>();
  const watch: Watch = { byte: undefined, mails: 0, waiting: [] };
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    converse(socket, watch);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // It listens on TCP, whose address is an object.
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    mails: () => watch.mails,
    reached: (mails) =>
      watch.mails >= mails ? Promise.resolve(performance.now()) : new Promise((resolve) => watch.waiting.push({ mails, resolve })),
    nextByte: () =>
      new Promise((resolve) => {
        watch.byte = resolve;
      }),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function converse(socket: Socket, watch: Watch): void {
  let pending = '';
  let isBody = false;
  socket.write('220 sink ESMTP\r\n');
  socket.on('data', (chunk) => {
    watch.byte?.(performance.now());
    watch.byte = undefined;
    pending += chunk.toString('latin1');
    for (;;) {
      const mark = isBody ? '\r\n.\r\n' : '\r\n';
      const end = pending.indexOf(mark);
      if (end < 0) return;
      const line = pending.slice(0, end).toUpperCase();
      pending = pending.slice(end + mark.length);
      if (isBody) countMail(watch);
      socket.write(isBody ? '250 queued\r\n' : answerTo(line));
      isBody = !isBody && line.startsWith('DATA');
    }
  });
}

function countMail(watch: Watch): void {
  watch.mails += 1;
  const due = watch.waiting.filter(({ mails }) => mails <= watch.mails);
  if (due.length === 0) return;
  watch.waiting = watch.waiting.filter(({ mails }) => mails > watch.mails);
  for (const { resolve } of due) resolve(performance.now());
}

function answerTo(line: string): string {
  if (line.startsWith('EHLO')) return '250-sink\r\n250 PIPELINING\r\n';
  if (line.startsWith('DATA')) return '354 go on\r\n';
  return line.startsWith('QUIT') ? '221 bye\r\n' : '250 ok\r\n';
}
