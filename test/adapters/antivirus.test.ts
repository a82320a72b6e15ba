import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ClamdPatience } from '../../src/adapters/antivirus-clamd.ts';
import { createAntivirus, readHashes, type ScanResult } from '../../src/adapters/antivirus.ts';
import { pieces } from './storage.suite.ts';

/** In two halves, so that no scanner takes this file for it. */
const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');
const signal = new AbortController().signal;

function scan(url: string | undefined, parts: readonly string[], hashes: readonly string[] = []): Promise<ScanResult> {
  const sha256 = createHash('sha256').update(parts.join('')).digest('hex');
  return createAntivirus({ url, hashes }).scan({ content: pieces(...parts), sha256, signal });
}

describe('antivirus: the list', () => {
  it('finds the test file, wherever the stream is cut', async () => {
    for (const at of [0, 1, 33, 67]) {
      const result = await scan(undefined, [EICAR.slice(0, at), EICAR.slice(at)]);
      assert.deepEqual(result, { state: 'infected', engine: 'signature list', signature: 'EICAR test file' });
    }
  });

  it('finds what is listed by its hash', async () => {
    const hash = createHash('sha256').update('evil').digest('hex');
    assert.equal((await scan(undefined, ['evil'], [hash.toUpperCase()])).state, 'infected');
  });

  it('is read from a file, in which each line is a hash, a remark or nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-hashes-'));
    try {
      const path = join(folder, 'hashes');
      const [one, other] = ['evil', 'worse'].map((text) => createHash('sha256').update(text).digest('hex'));
      await writeFile(path, `# from a list\n${one}\r\n\n  ${other?.toUpperCase()} # the other\n`);
      assert.equal((await scan(undefined, ['worse'], readHashes(path))).state, 'infected');
      assert.equal((await scan(undefined, ['good'], readHashes(path))).state, 'not_scanned');
      await writeFile(path, `${one}\nd41d8cd98f00b204e9800998ecf8427e\n`);
      assert.throws(() => readHashes(path), /ANTIVIRUS_HASHES_FILE: line 2/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('calls nothing clean', async () => {
    assert.deepEqual(await scan(undefined, ['hello']), { state: 'not_scanned', engine: 'signature list', why: 'no_signature_database' });
  });
});

describe('antivirus: clamd', () => {
  it('sends the content in pieces with their lengths, and takes the answer', async () => {
    await using daemon = await startDaemon((received) => (received.includes('evil') ? 'stream: Evil.Test-1 FOUND\0' : 'stream: OK\0'));
    assert.deepEqual(await scan(daemon.url, ['a', 'b', 'hello']), { state: 'clean', engine: 'clamd' });
    assert.equal(daemon.contents.at(-1), 'abhello');
    assert.deepEqual(await scan(daemon.url, ['ev', 'il']), { state: 'infected', engine: 'clamd', signature: 'Evil.Test-1' });
    assert.deepEqual(await scan(daemon.url, []), { state: 'clean', engine: 'clamd' });
  });

  it('knows that a file was too large for it, though it closes in the middle', async () => {
    await using daemon = await startDaemon(() => 'INSTREAM size limit exceeded. ERROR\0', 1000);
    const result = await scan(daemon.url, ['x'.repeat(5_000_000), 'x'.repeat(5_000_000)]);
    assert.deepEqual(result, { state: 'not_scanned', engine: 'clamd', why: 'too_large' });
  });

  it('rejects when there is no answer, an answer that is none, or nobody at all', async () => {
    await using silent = await startDaemon(() => '');
    await assert.rejects(scan(silent.url, ['x']), /no answer/);
    await using broken = await startDaemon(() => 'stream: lstat() failed ERROR\0');
    await assert.rejects(scan(broken.url, ['x']), /could not scan/);
    const { url } = broken;
    await broken[Symbol.asyncDispose]();
    await assert.rejects(scan(url, ['x']), /ECONNREFUSED/);
  });

  it('gives up a daemon that takes all and stays silent, and one that takes no more', async () => {
    const hour = 3_600_000;
    const scanWith = (url: string, patience: ClamdPatience, content: AsyncIterable<Uint8Array>) =>
      createAntivirus({ url, patience }).scan({ content, sha256: '', signal });
    await using silent = await startMute({ reads: true });
    await assert.rejects(scanWith(silent.url, { sendingMs: hour, answerMs: 20 }, pieces('x')), /hangs/);
    await using stuck = await startMute({ reads: false });
    const large = pieces(...Array.from({ length: 64 }, () => 'x'.repeat(1024 * 1024)));
    await assert.rejects(scanWith(stuck.url, { sendingMs: 50, answerMs: hour }, large), /hangs/);
  });

  it('is not asked for what is listed by its hash', async () => {
    const hash = createHash('sha256').update('evil').digest('hex');
    await using daemon = await startDaemon(() => 'stream: OK\0');
    assert.deepEqual(await scan(daemon.url, ['evil'], [hash]), { state: 'infected', engine: 'signature list', signature: 'listed hash' });
    assert.deepEqual(daemon.contents, []);
    assert.equal((await scan(daemon.url, ['good'], [hash])).state, 'clean');
  });

  it('stops when it is asked to', async () => {
    await using daemon = await startDaemon(() => new Promise(() => undefined));
    const stop = new AbortController();
    const scanning = createAntivirus({ url: daemon.url }).scan({ content: pieces('x'), sha256: '', signal: stop.signal });
    await daemon.asked;
    stop.abort(new Error('stop'));
    await assert.rejects(scanning, /stop/);
  });

  it('refuses addresses that are none', () => {
    for (const url of ['http://x:1', 'clamd', '/run/clamd.ctl']) assert.throws(() => createAntivirus({ url }), /ANTIVIRUS_URL/);
    createAntivirus({ url: 'clamd:///run/clamav/clamd.ctl' });
  });
});

interface Daemon extends AsyncDisposable {
  readonly url: string;
  readonly contents: readonly string[];
  readonly asked: Promise<void>;
}

/** Speaks INSTREAM as ClamAV documents it. */
async function startDaemon(answer: (content: string) => string | Promise<string>, maxBytes = Infinity): Promise<Daemon> {
  const contents: string[] = [];
  const asked = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      const content = contentOf(bytes);
      if (content === undefined && bytes.length < maxBytes) return;
      contents.push(content ?? '');
      asked.resolve();
      socket.removeAllListeners('data');
      void Promise.resolve(answer(content ?? '')).then((text) => socket.end(text));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `clamd://127.0.0.1:${port}`,
    contents,
    asked: asked.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Lets everybody in, says nothing, and ends nothing. */
async function startMute({ reads }: { readonly reads: boolean }): Promise<Pick<Daemon, 'url'> & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: !reads }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    if (reads) socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `clamd://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Undefined until its end has come. */
function contentOf(bytes: Buffer): string | undefined {
  const command = 'zINSTREAM\0';
  assert.equal(bytes.toString('latin1', 0, Math.min(bytes.length, command.length)), command.slice(0, bytes.length));
  let content = '';
  for (let at = command.length; at + 4 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    if (length === 0) return content;
    content += bytes.toString('latin1', at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}
