import { connect, type NetConnectOpts } from 'node:net';
import type { Antivirus, ScanResult } from './antivirus.ts';

const ENGINE = 'clamd';
const MAX_ANSWER_CHARS = 4096;

export interface ClamdPatience {
  /** While it takes the content: no byte for so long, and it is given up. */
  readonly sendingMs: number;
  /** For its answer, once it has all. It ends a scan itself after `MaxScanTime`, 2 min unless set otherwise. */
  readonly answerMs: number;
}

const PATIENCE: ClamdPatience = { sendingMs: 30_000, answerMs: 180_000 };

/** ClamAV's daemon, by its command INSTREAM: the content goes over the connection in pieces, each with its length before it. */
export function createClamd(address: NetConnectOpts, patience: ClamdPatience = PATIENCE): Antivirus {
  return {
    async scan({ content, signal }) {
      signal.throwIfAborted();
      const socket = connect({ ...address, noDelay: true });
      let answer = '';
      socket.setEncoding('utf8').on('data', (text: string) => {
        answer = (answer + text).slice(0, MAX_ANSWER_CHARS);
      });
      let failure: Error | undefined;
      socket.on('error', (error) => {
        failure = error;
      });
      const connected = new Promise<void>((resolve) => void socket.once('connect', resolve));
      const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
      const stop = (): void => void socket.destroy();
      const giveUp = (): void => void socket.destroy(new Error('The virus scanner hangs.'));
      let timer = setTimeout(giveUp, patience.sendingMs);
      const waitFor = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, ms);
      };
      signal.addEventListener('abort', stop, { once: true });
      try {
        await Promise.race([connected, closed]);
        socket.write('zINSTREAM\0');
        for await (const chunk of content) {
          // It has made up its mind, or has had enough.
          if (answer !== '' || socket.destroyed) break;
          waitFor(patience.sendingMs);
          if (chunk.length > 0) await Promise.race([send(socket, chunk), closed]);
        }
        waitFor(patience.answerMs);
        if (answer === '' && !socket.destroyed) socket.end(Buffer.alloc(4));
        await closed;
        signal.throwIfAborted();
        // What it said before it broke off counts.
        if (answer === '' && failure !== undefined) throw failure;
        return resultOf(answer.replace(/\0.*$/s, ''));
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        socket.destroy();
      }
    },
  };
}

async function send(socket: ReturnType<typeof connect>, chunk: Uint8Array): Promise<void> {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(chunk.length);
  socket.write(length);
  if (!socket.write(chunk)) await new Promise<void>((resolve) => void socket.once('drain', resolve));
}

function resultOf(answer: string): ScanResult {
  const found = /^stream: (.+) FOUND$/.exec(answer)?.[1];
  if (found !== undefined) return { state: 'infected', engine: ENGINE, signature: found };
  if (answer === 'stream: OK') return { state: 'clean', engine: ENGINE };
  if (/size limit exceeded/i.test(answer)) return { state: 'not_scanned', engine: ENGINE, why: 'too_large' };
  throw new Error(answer === '' ? 'The virus scanner gave no answer.' : 'The virus scanner could not scan.');
}
