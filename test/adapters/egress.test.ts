import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { createConnector } from '../../src/adapters/egress-connect.ts';
import { createEgress } from '../../src/adapters/egress.ts';
import type { Egress, EgressRequest } from '../../src/adapters/egress.ts';
import { loadConfig } from '../../src/config.ts';
import { TLS_CERTIFICATE, TLS_KEY, TLS_NAME } from '../support/tls-fixture.ts';

const GET = { method: 'GET', headers: {} };
const POST = { method: 'POST', headers: {}, body: 'pay' };
/** For those who wait in vain. */
const SHORT_MS = 150;

interface Ground extends AsyncDisposable {
  readonly egress: Egress;
  readonly url: string;
  /** Bytes that came over all connections. */
  readonly received: () => string;
}

/** A real server on loopback that the operator named. */
async function listen(server: Server | TcpServer): Promise<Ground> {
  let received = '';
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const url = `http://127.0.0.1:${port}`;
  return {
    url: `${url}/`,
    egress: createEgress({ targets: { app: url } }),
    received: () => received,
    async [Symbol.asyncDispose]() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      await once(server, 'close');
    },
  };
}

const serve = (listener: RequestListener): Promise<Ground> => listen(createServer(listener));

/** A server that answers the head of every request with these bytes, and does what it wants with the connection. */
function answerRaw(answer: (socket: Socket) => void): Promise<Ground> {
  return listen(createTcpServer((socket) => socket.once('data', () => answer(socket))));
}

function failureOf(ground: Ground, request: Partial<EgressRequest>): Promise<unknown> {
  return ground.egress.request({ url: ground.url, ...POST, ...request }).then(
    () => assert.fail('there was a reply'),
    (error: unknown) => {
      const explained = ground.egress.explain(error);
      if (explained === undefined) return error;
      const { name, sent, status } = explained;
      return { name, sent, ...(status === undefined ? {} : { status }) };
    },
  );
}

describe('egress: a request and its reply', () => {
  it('goes to a target that the operator named, with method, headers and body', async () => {
    await using ground = await serve(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const { host, 'content-length': length, 'x-a': a, 'user-agent': agent, connection, 'accept-encoding': encoding } = request.headers;
      response.writeHead(201, { 'x-b': '2', 'set-cookie': ['c=1', 'd=2'] });
      response.end(JSON.stringify([request.method, request.url, host, length, a, agent, connection, encoding, body]));
    });
    const reply = await ground.egress.request({ url: `${ground.url}p?q=1#f`, method: 'PUT', headers: { 'X-A': '1' }, body: 'für' });
    assert.equal(reply.status, 201);
    assert.deepEqual([reply.headers['x-b'], reply.headers['set-cookie']], ['2', ['c=1', 'd=2']]);
    const { host } = new URL(ground.url);
    const seen: unknown = JSON.parse(reply.body.toString());
    assert.deepEqual(seen, ['PUT', '/p?q=1', host, '4', '1', 'Nightshift', 'close', 'identity', 'für']);
  });

  it('is refused where the same server was not named', async () => {
    await using ground = await serve((_request, response) => response.end());
    for (const url of [ground.url, ground.url.replace('127.0.0.1', 'localhost')]) {
      const plain = createEgress({ allowHttp: true, targets: { other: 'http://127.0.0.1:1' } });
      await assert.rejects(plain.request({ url, ...GET }), { name: 'EgressRefusedError', sent: 'no' });
    }
    assert.equal(ground.received(), '');
  });

  it('is any status: errors of the other side are replies', async () => {
    for (const status of [204, 400, 404, 429, 500, 503]) {
      await using ground = await serve((_request, response) => response.writeHead(status, { 'retry-after': '7' }).end());
      const reply = await ground.egress.request({ url: ground.url, ...POST });
      assert.deepEqual([reply.status, reply.headers['retry-after']], [status, '7']);
    }
  });

  it('has no body after HEAD, whatever length the reply names', async () => {
    await using ground = await serve((_request, response) => response.writeHead(200, { 'content-length': '99999999' }).end());
    const reply = await ground.egress.request({ url: ground.url, method: 'HEAD', headers: {} });
    assert.deepEqual([reply.status, reply.body.length], [200, 0]);
  });

  it('uses the name for Host, SNI and certificate, and the checked address for the connection', async () => {
    const names: unknown[] = [];
    const server = createTlsServer({ key: TLS_KEY, cert: TLS_CERTIFICATE }, (request, response) => {
      names.push(request.headers.host, 'servername' in request.socket ? request.socket.servername : '');
      response.end('secret');
    });
    await using ground = await listen(server);
    const { port } = new URL(ground.url);
    const resolve = async (): Promise<string[]> => ['127.0.0.1'];
    const origins = [TLS_NAME, 'other.nightshift.test'].map((name) => `https://${name}:${port}`);
    const targets = Object.fromEntries(origins.map((origin, index) => [`t${index}`, origin]));
    const trusting = createEgress({ resolve, targets, connect: createConnector([TLS_CERTIFICATE]) });
    const [url = '', otherUrl = ''] = origins;
    assert.equal((await trusting.request({ url, ...POST })).body.toString(), 'secret');
    assert.deepEqual(names, [`${TLS_NAME}:${port}`, TLS_NAME]);
    const wrongName = { name: 'EgressConnectError', phase: 'connect', code: 'ERR_TLS_CERT_ALTNAME_INVALID', sent: 'no' };
    await assert.rejects(trusting.request({ url: otherUrl, ...POST }), wrongName);
    const untrusting = createEgress({ resolve, targets });
    await assert.rejects(untrusting.request({ url, ...POST }), { name: 'EgressConnectError', phase: 'connect', sent: 'no' });
    assert.equal(names.length, 2);
  });

  it('tries the next address when one is silent or refuses', async () => {
    await using ground = await serve((_request, response) => response.end('hello'));
    const origin = `http://app.internal:${new URL(ground.url).port}`;
    const connect = createConnector();
    const egress = createEgress({
      targets: { app: origin },
      resolve: async () => ['2001:db8::1', '198.51.100.1', '127.0.0.1'],
      connect: (request) => {
        if (request.address === '127.0.0.1') return connect(request);
        return request.address === '198.51.100.1' ? Promise.reject(new Error('refused')) : new Promise(() => undefined);
      },
    });
    const reply = await egress.request({ url: origin, ...GET, connectTimeoutMs: 300 });
    assert.equal(reply.body.toString(), 'hello');
  });

  it('knows no proxy, though the environment names one', async () => {
    await using ground = await serve((_request, response) => response.end('direct'));
    await using proxy = await serve((_request, response) => response.end('by proxy'));
    const adapter = join(import.meta.dirname, '../../src/adapters/egress.ts');
    const script = `
      import { createEgress } from ${JSON.stringify(adapter)};
      const url = ${JSON.stringify(ground.url)};
      const reply = await createEgress({ targets: { app: url } }).request({ url, method: 'GET', headers: {} });
      process.stdout.write(reply.body);`;
    const proxies = Object.fromEntries(
      ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'ALL_PROXY'].map((name) => [name, proxy.url]),
    );
    const env = { ...process.env, ...proxies, NODE_USE_ENV_PROXY: '1', NO_PROXY: '', no_proxy: '' };
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
    assert.deepEqual([stdout, proxy.received()], ['direct', '']);
  });
});

describe('egress: what became of a request', () => {
  it('surely not sent: nobody listens, or the name is unknown', async () => {
    const ground = await serve(() => undefined);
    await ground[Symbol.asyncDispose]();
    await assert.rejects(ground.egress.request({ url: ground.url, ...POST }), {
      name: 'EgressConnectError',
      phase: 'connect',
      code: 'ECONNREFUSED',
      sent: 'no',
    });
    for (const resolve of [async () => [], () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))]) {
      await assert.rejects(createEgress({ resolve }).request({ url: 'https://gone.example/', ...POST }), {
        name: 'EgressConnectError',
        phase: 'dns',
        sent: 'no',
      });
    }
  });

  it('surely not sent: the gate is closed, or opens too late, or the caller gives up there', async () => {
    await using ground = await serve((_request, response) => response.end());
    const gone = new Error('another attempt holds it');
    assert.equal(await failureOf(ground, { beforeSend: () => Promise.reject(gone) }), gone);
    const late = { name: 'EgressTimeoutError', sent: 'no' };
    assert.deepEqual(await failureOf(ground, { beforeSend: async () => performance.now() - 1 }), late);
    assert.deepEqual(await failureOf(ground, { beforeSend: async () => NaN }), late);
    const never = new Promise<number>(() => undefined);
    assert.deepEqual(await failureOf(ground, { beforeSend: () => never, timeoutMs: SHORT_MS }), late);
    const stop = new AbortController();
    const giveUp = async (): Promise<number> => {
      stop.abort();
      return performance.now() + 60_000;
    };
    assert.deepEqual(await failureOf(ground, { beforeSend: giveUp, signal: stop.signal }), { name: 'EgressAbortedError', sent: 'no' });
    assert.deepEqual(await failureOf(ground, { signal: AbortSignal.abort() }), { name: 'EgressAbortedError', sent: 'no' });
    assert.equal(ground.received(), '');
  });

  it('surely not sent means so, whenever the caller gives up around the first byte', async () => {
    await using ground = await serve((_request, response) => response.end());
    const connect = createConnector();
    const outcomes = new Set<string>();
    for (let turns = 0; turns < 40; turns += 1) {
      const stop = new AbortController();
      const egress = createEgress({
        targets: { app: ground.url },
        connect: async (request) => {
          const connection = await connect(request);
          void giveUpAfter(turns, stop);
          return connection;
        },
      });
      const before = ground.received().length;
      const error: unknown = await egress.request({ url: ground.url, ...POST, signal: stop.signal }).catch((reason: unknown) => reason);
      const sent = egress.explain(error)?.sent ?? 'reply';
      // A turn of the server, for what may have left.
      await ground.egress.request({ url: ground.url, ...GET });
      const arrivedBytes = ground.received().slice(before).indexOf('GET');
      if (sent === 'no') assert.equal(arrivedBytes, 0, `after ${turns} turns`);
      outcomes.add(sent);
    }
    assert.ok(outcomes.has('no') && outcomes.size > 1, [...outcomes].join(' '));
  });

  it('surely not sent: no connection in time', async () => {
    const connect = (): Promise<never> => new Promise(() => undefined);
    const egress = createEgress({ connect, resolve: async () => ['1.1.1.1', '1.0.0.1'] });
    const slow = { name: 'EgressTimeoutError', sent: 'no' };
    await assert.rejects(egress.request({ url: 'https://a.example', ...POST, connectTimeoutMs: SHORT_MS }), { ...slow, limit: 'connect' });
    await assert.rejects(egress.request({ url: 'https://a.example', ...POST, timeoutMs: SHORT_MS }), { ...slow, limit: 'total' });
    const deaf = createEgress({ connect, resolve: () => new Promise(() => undefined) });
    await assert.rejects(deaf.request({ url: 'https://a.example', ...POST, timeoutMs: SHORT_MS }), { ...slow, limit: 'total' });
  });

  it('the gate is asked once, with nothing sent before and all of it after', async () => {
    await using ground = await serve((request, response) => {
      if (request.url === '/') response.writeHead(307, { location: '/again' }).end();
      else response.end('done');
    });
    const before: string[] = [];
    const beforeSend = async (): Promise<number> => {
      before.push(ground.received());
      return performance.now() + 60_000;
    };
    assert.equal((await ground.egress.request({ url: ground.url, ...POST, beforeSend })).body.toString(), 'done');
    assert.deepEqual(before, ['']);
  });

  const broken: readonly (readonly [what: string, answer: (socket: Socket) => void, status?: number])[] = [
    ['the reply is lost', (socket) => socket.destroy()],
    ['the connection is reset', (socket) => socket.resetAndDestroy()],
    ['the head breaks off', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
    ['the body breaks off', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'), 200],
    ['a chunk breaks off', (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal'), 200],
    ['the answer is no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    ['the answer has two lengths', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')],
    ['the head is endless', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`)],
    [
      'another protocol is spoken',
      (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    ],
  ];
  for (const [what, answer, status] of broken) {
    it(`maybe sent: ${what}`, async () => {
      await using ground = await answerRaw(answer);
      const expected = { name: 'EgressConnectError', sent: 'maybe', ...(status === undefined ? {} : { status }) };
      assert.deepEqual(await failureOf(ground, { timeoutMs: 5000 }), expected);
    });
  }

  it('maybe sent: no answer in time, by the limit, by the deadline, or because the caller gives up', async () => {
    await using ground = await answerRaw(() => undefined);
    assert.deepEqual(await failureOf(ground, { timeoutMs: SHORT_MS }), { name: 'EgressTimeoutError', sent: 'maybe' });
    const beforeSend = async (): Promise<number> => performance.now() + SHORT_MS;
    assert.deepEqual(await failureOf(ground, { beforeSend }), { name: 'EgressTimeoutError', sent: 'maybe' });
    const signal = AbortSignal.timeout(SHORT_MS);
    assert.deepEqual(await failureOf(ground, { signal }), { name: 'EgressAbortedError', sent: 'maybe' });
  });

  it('a body that is being written is cut off at the deadline', async () => {
    const slow = createTcpServer({ pauseOnConnect: true });
    let arrived: Socket | undefined;
    slow.on('connection', (socket) => (arrived = socket));
    await using ground = await listen(slow);
    const body = Buffer.alloc(64 * 1024 * 1024, 'x');
    const beforeSend = async (): Promise<number> => performance.now() + SHORT_MS;
    assert.deepEqual(await failureOf(ground, { body, beforeSend }), { name: 'EgressTimeoutError', sent: 'maybe' });
    const closed = once(arrived ?? assert.fail('nobody connected'), 'close');
    arrived?.resume();
    await closed;
    assert.ok(ground.received().length < body.byteLength);
  });

  it('names neither the URL nor its content in its message', async () => {
    await using ground = await answerRaw((socket) => socket.destroy());
    await assert.rejects(ground.egress.request({ url: `${ground.url}?token=secret`, ...POST }), (error: Error) => {
      assert.doesNotMatch(error.message, /secret|127\.0\.0\.1/);
      return true;
    });
  });
});

/** Microtasks first, then turns of the loop. */
async function giveUpAfter(turns: number, stop: AbortController): Promise<void> {
  for (let turn = 0; turn < Math.min(turns, 30); turn += 1) await undefined;
  for (let turn = 30; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
}

describe('egress: limits of the reply', () => {
  const LIMIT = { maxBytes: 1000 };

  it('a body up to the limit is taken, one above is not, with or without its length', async () => {
    for (const hasLength of [true, false]) {
      await using ground = await serve(({ url }, response) => {
        const body = 'x'.repeat(Number(url?.slice(1)));
        if (hasLength) response.setHeader('content-length', body.length);
        response.write(body.slice(0, 1));
        response.end(body.slice(1));
      });
      const reply = await ground.egress.request({ ...GET, ...LIMIT, url: `${ground.url}1000` });
      assert.equal(reply.body.length, 1000);
      const tooLarge = { name: 'EgressTooLargeError', sent: 'maybe', status: 200 };
      assert.deepEqual(await failureOf(ground, { ...LIMIT, url: `${ground.url}1001` }), tooLarge);
    }
  });

  it('an endless body ends at 10 MiB, whoever forgets to set a limit', async () => {
    await using ground = await serve((_request, response) => {
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', pour);
      pour();
    });
    assert.deepEqual(await failureOf(ground, {}), { name: 'EgressTooLargeError', sent: 'maybe', status: 200 });
  });

  it('a gzip bomb stays as small as it came', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024));
    await using ground = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
    const reply = await ground.egress.request({ url: ground.url, ...GET });
    assert.deepEqual([reply.headers['content-encoding'], reply.body.length], ['gzip', bomb.length]);
  });

  it('a reply that trickles ends in time, in its head or in its body', async () => {
    for (const [head, status] of [
      ['HTTP/1.1 200 OK\r\nx: ', undefined],
      ['HTTP/1.1 200 OK\r\n\r\n', 200],
    ] as const) {
      await using ground = await answerRaw((socket) => {
        socket.write(head);
        const timer = setInterval(() => socket.write('x'), 20);
        socket.on('close', () => clearInterval(timer));
      });
      const expected = { name: 'EgressTimeoutError', sent: 'maybe', ...(status === undefined ? {} : { status }) };
      assert.deepEqual(await failureOf(ground, { timeoutMs: SHORT_MS }), expected);
    }
  });

  it('the time counts over all redirects', async () => {
    await using ground = await serve((_request, response) => {
      setTimeout(() => response.writeHead(302, { location: '/' }).end(), 40);
    });
    assert.deepEqual(await failureOf(ground, { ...GET, timeoutMs: 100, maxRedirects: 1000 }), {
      name: 'EgressTimeoutError',
      sent: 'maybe',
    });
  });

  it('a stream is read piece by piece, and lets go of its connection when it is left', async () => {
    const closed = Promise.withResolvers<void>();
    await using ground = await serve((_request, response) => {
      response.on('close', () => closed.resolve());
      response.write('first');
    });
    const reply = await ground.egress.open({ url: ground.url, ...GET });
    for await (const chunk of reply.body) {
      assert.equal(String(chunk), 'first');
      break;
    }
    await closed.promise;
    const unread = Promise.withResolvers<void>();
    await using other = await serve((_request, response) => {
      response.on('close', () => unread.resolve());
      response.write('first');
    });
    (await other.egress.open({ url: other.url, ...GET })).body.destroy();
    await unread.promise;
  });

  it('a stream fails like a request does', async () => {
    await using ground = await serve((_request, response) => response.write('x'.repeat(2000)));
    const { body } = await ground.egress.open({ url: ground.url, ...GET, maxBytes: 1000 });
    await assert.rejects(body.toArray(), { name: 'EgressTooLargeError', status: 200 });
    const slow = await ground.egress.open({ url: ground.url, ...GET, timeoutMs: SHORT_MS });
    await assert.rejects(slow.body.toArray(), { name: 'EgressTimeoutError', limit: 'total', status: 200 });
    const late = await ground.egress.open({ url: ground.url, ...GET, timeoutMs: SHORT_MS });
    await new Promise((resolve) => late.body.once('close', resolve));
    await assert.rejects(late.body.toArray(), { name: 'EgressTimeoutError' });
  });
});

describe('egress: its setting', () => {
  const DATABASE_URL = 'postgres://db/nightshift';
  const SMTP_URL = 'smtp://mail.internal';

  it('names inner targets', () => {
    const { egressTargets } = loadConfig({
      DATABASE_URL,
      SMTP_URL,
      EGRESS_TARGETS: 'app=http://app.internal:3000, hooks=https://hooks.internal/',
    });
    assert.deepEqual(egressTargets, { app: 'http://app.internal:3000', hooks: 'https://hooks.internal' });
    assert.deepEqual(loadConfig({ DATABASE_URL, SMTP_URL }).egressTargets, {});
  });

  it('is refused when it is no list of names and origins', () => {
    const wrong = [
      'app',
      'http://app.internal',
      '=http://a',
      'app=a',
      'app=ftp://a',
      'app=http://a/path',
      'app=http://u:p@a',
      'a=http://a,a=http://b',
    ];
    for (const EGRESS_TARGETS of wrong)
      assert.throws(() => loadConfig({ DATABASE_URL, SMTP_URL, EGRESS_TARGETS }), /EGRESS_TARGETS/, EGRESS_TARGETS);
  });
});
