import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';

import { createEgress } from '../../src/adapters/egress.ts';
import type { EgressRequest } from '../../src/adapters/egress.ts';
import { createEgressWorld, PUBLIC_ADDRESSES } from '../support/egress-world.ts';
import type { EgressWorld } from '../support/egress-world.ts';
import { SSRF_FORMS } from '../support/ssrf-corpus.ts';
import type { SsrfForm } from '../support/ssrf-corpus.ts';

const [PUBLIC = ''] = PUBLIC_ADDRESSES;

const greet: RequestListener = (_request, response) => response.end('hello');

/** GETs with the weakest rules there are. */
async function get(world: EgressWorld, url: string, change: Partial<EgressRequest> = {}): Promise<number | string> {
  const egress = createEgress({ resolve: world.resolve, connect: world.connect, allowHttp: true });
  try {
    return (await egress.request({ url, method: 'GET', headers: {}, ...change })).status;
  } catch (error) {
    const explained = egress.explain(error);
    assert.ok(explained, `an error of another kind: ${String(error)}`);
    return explained.name === 'EgressRefusedError' ? explained.reason : explained.name;
  }
}

function addressesOf(world: EgressWorld): readonly string[] {
  return world.dialled.map(({ address }) => address);
}

/** Writes a redirect as it is: Node's own server would refuse some of these. */
function redirectRaw(to: string): RequestListener {
  return ({ url }, response) => {
    if (url !== '/start') greet(response.req, response);
    else response.socket?.end(Buffer.from(`HTTP/1.1 302 Found\r\nlocation: ${to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`));
  };
}

describe('egress: 0 connections to what is not public', () => {
  it('is tried with enough forms, and the world would notice a connection', async () => {
    assert.ok(SSRF_FORMS.length >= 80, `${SSRF_FORMS.length} forms`);
    assert.equal(new Set(SSRF_FORMS.map(({ url }) => url)).size, SSRF_FORMS.length);
    const world = createEgressWorld(greet, () => [PUBLIC]);
    assert.equal(await get(world, 'https://fine.example/'), 200);
    assert.deepEqual(addressesOf(world), [PUBLIC]);
  });

  it('in the URL, in any spelling, with https and http', async () => {
    for (const { url, address } of SSRF_FORMS) {
      const world = createEgressWorld(greet, () => [address]);
      for (const spelled of [url, url.replace(/^https:/, 'http:')]) {
        const outcome = await get(world, spelled);
        assert.match(String(outcome), /^(url|scheme|port|credentials|address|dns)$/, spelled);
      }
      assert.deepEqual(world.dialled, [], url);
    }
  });

  it('in a DNS answer, alone or among public ones, and not tried with the public ones then', async () => {
    for (const { address } of SSRF_FORMS) {
      for (const answers of [[address], [PUBLIC, address], [address, PUBLIC], [PUBLIC, `${address}%lo`], [PUBLIC, 'not an address']]) {
        const world = createEgressWorld(greet, () => answers);
        assert.equal(await get(world, 'https://innocent.example/'), 'dns', address);
        assert.deepEqual(world.dialled, [], address);
      }
    }
  });

  it('in a redirect', async () => {
    const reached: SsrfForm[] = [];
    for (const form of SSRF_FORMS) {
      const answer = (name: string): readonly string[] => [name === 'innocent.example' ? PUBLIC : form.address];
      const world = createEgressWorld(redirectRaw(form.url), answer);
      const outcome = await get(world, 'https://innocent.example/start');
      assert.ok(world.dialled.length > 0, 'the redirect itself was asked for');
      assert.ok(
        addressesOf(world).every((address) => address === PUBLIC),
        form.url,
      );
      if (outcome === 200) reached.push(form);
    }
    // What isn't an absolute URL leads to the same host again, or nowhere; nothing else is answered.
    assert.deepEqual(
      reached.map(({ url }) => url).filter((url) => /^https?:\/\//.test(url)),
      [],
    );
  });

  it('when the name leads elsewhere at the second look-up', async () => {
    for (const { address } of SSRF_FORMS) {
      const world = createEgressWorld(redirectRaw('/again'), (_name, nth) => [nth === 1 ? PUBLIC : address]);
      assert.equal(await get(world, 'https://rebinding.example/start'), 'dns', address);
      assert.deepEqual(addressesOf(world), [PUBLIC], 'the second hop');
      assert.equal(await get(world, 'https://rebinding.example/'), 'dns', 'the next request');
      assert.deepEqual(addressesOf(world), [PUBLIC]);
    }
  });

  it('and a name is looked up once a hop, and its answer is what is connected to', async () => {
    const world = createEgressWorld(redirectRaw('/again'), () => [...PUBLIC_ADDRESSES]);
    assert.equal(await get(world, 'https://Fine.Example/start'), 200);
    assert.deepEqual(world.lookedUp, ['fine.example', 'fine.example']);
    const [first] = world.dialled;
    assert.deepEqual([first?.address, first?.port, first?.isTls, first?.hostName], [PUBLIC, 443, true, 'fine.example']);
  });
});

describe('egress: what a request may be', () => {
  const refused: readonly (readonly [what: string, change: Partial<EgressRequest>, reason: string])[] = [
    ['a port that is none of the web', { url: 'https://fine.example:22/' }, 'port'],
    ['a URL with a login', { url: 'https://me:secret@fine.example/' }, 'credentials'],
    ['a URL of another scheme', { url: 'ftp://fine.example/' }, 'scheme'],
    ['a URL that is very long', { url: `https://fine.example/${'x'.repeat(9000)}` }, 'url'],
    ['a URL with a line break', { url: 'https://fine.example/\r\nx: y' }, 'url'],
    ['a method that makes a tunnel', { method: 'CONNECT' }, 'method'],
    ['a method with a line break', { method: 'GET / HTTP/1.1\r\nx: y' }, 'method'],
    ['a header value with a line break', { headers: { a: 'b\r\nx-injected: 1' } }, 'header'],
    ['a header value with a bare line feed', { headers: { a: 'b\nx-injected: 1' } }, 'header'],
    ['a header value with a null byte', { headers: { a: 'b\0' } }, 'header'],
    ['a header value beyond ASCII', { headers: { a: 'b\u010Dx' } }, 'header'],
    ['a header name with a line break', { headers: { 'a\r\nx-injected': '1' } }, 'header'],
    ['a header name with a colon', { headers: { 'a: b': '1' } }, 'header'],
    ['a header name that is empty', { headers: { '': '1' } }, 'header'],
    ['a header twice', { headers: { 'x-a': '1', 'X-A': '2' } }, 'header'],
    ['a host of its own', { headers: { Host: 'inner.example' } }, 'header'],
    ['a length of its own', { headers: { 'content-length': '0' } }, 'header'],
    ['an encoding of the connection', { headers: { 'Transfer-Encoding': 'chunked' } }, 'header'],
    ['an upgrade', { headers: { upgrade: 'h2c' } }, 'header'],
    ['headers that are very large', { headers: { a: 'x'.repeat(20_000) } }, 'header'],
  ];
  for (const [what, change, reason] of refused) {
    it(`not one with ${what}`, async () => {
      const world = createEgressWorld(greet, () => [PUBLIC]);
      assert.equal(await get(world, 'https://fine.example/', change), reason);
      assert.deepEqual([world.dialled, world.lookedUp], [[], []]);
    });
  }

  it('https only, unless http is allowed', async () => {
    const world = createEgressWorld(greet, () => [PUBLIC]);
    const egress = createEgress({ resolve: world.resolve, connect: world.connect });
    await assert.rejects(egress.request({ url: 'http://fine.example/', method: 'GET', headers: {} }), {
      name: 'EgressRefusedError',
      reason: 'scheme',
      sent: 'no',
    });
    assert.deepEqual(world.dialled, []);
    assert.equal(await get(world, 'http://fine.example/'), 200);
  });
});

describe('egress: inner targets', () => {
  const INNER = { targets: { app: 'http://app.internal:3000', hooks: 'https://hooks.internal' }, allowHttp: true };

  async function outcomeOf(world: EgressWorld, url: string): Promise<string> {
    const egress = createEgress({ ...INNER, resolve: world.resolve, connect: world.connect });
    const error: unknown = await egress.request({ url, method: 'GET', headers: {} }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const explained = egress.explain(error);
    return explained?.name === 'EgressRefusedError' ? explained.reason : (explained?.name ?? 'reply');
  }

  it('are reached by exact origin only', async () => {
    const near = ['http://app.internal/', 'https://app.internal:3000/', 'http://app.internal:3001/', 'http://app.internal.:3000/'];
    const named = ['http://x.app.internal:3000/', 'http://10.0.0.1:3000/', 'http://hooks.internal/', 'https://hooks.internal:8443/'];
    for (const url of [...near, ...named]) {
      const world = createEgressWorld(greet, () => ['10.0.0.1']);
      assert.match(await outcomeOf(world, url), /^(port|dns|address)$/, url);
      assert.deepEqual(world.dialled, [], url);
    }
    for (const url of ['http://app.internal:3000/x', 'HTTP://APP.internal:03000/', 'https://hooks.internal:443/']) {
      const world = createEgressWorld(greet, () => ['10.0.0.1']);
      // The connector of this world refuses it; that it was asked is the point.
      assert.equal(await outcomeOf(world, url), 'EgressConnectError', url);
      assert.deepEqual(addressesOf(world), ['10.0.0.1'], url);
    }
  });

  it('are not for a party outside that answers with a redirect', async () => {
    for (const to of ['http://app.internal:3000/', 'https://hooks.internal/']) {
      const world = createEgressWorld(redirectRaw(to), (name) => [name === 'innocent.example' ? PUBLIC : '10.0.0.1']);
      assert.equal(await outcomeOf(world, 'http://innocent.example/start'), 'redirect_target');
      assert.deepEqual(addressesOf(world), [PUBLIC]);
    }
  });
});

describe('egress: redirects', () => {
  interface Seen {
    readonly method: string | undefined;
    readonly url: string;
    readonly body: string;
    readonly names: readonly string[];
  }

  /** Answers every path that begins with a status by a redirect to what follows it. */
  function recordingWorld(seen: Seen[]): EgressWorld {
    return createEgressWorld(
      async (request, response) => {
        let body = '';
        for await (const chunk of request) body += String(chunk);
        const url = `${request.headers.host}${request.url}`;
        seen.push({ method: request.method, url, body, names: Object.keys(request.headers).toSorted() });
        const [, status, to] = /^\/(3\d\d)\/(.*)$/.exec(request.url ?? '') ?? [];
        if (status === undefined) response.end('there');
        else response.writeHead(Number(status), to === '' ? {} : { location: decodeURIComponent(to ?? '') }).end('elsewhere');
      },
      () => [PUBLIC],
    );
  }

  const rules: readonly (readonly [method: string, status: number, then: string, body: string])[] = [
    ['GET', 301, 'GET', ''],
    ['POST', 301, 'GET', ''],
    ['POST', 302, 'GET', ''],
    ['PUT', 302, 'PUT', 'x'],
    ['POST', 303, 'GET', ''],
    ['DELETE', 303, 'GET', ''],
    ['HEAD', 303, 'HEAD', ''],
    ['POST', 307, 'POST', 'x'],
    ['POST', 308, 'POST', 'x'],
  ];
  for (const [method, status, then, body] of rules) {
    it(`${status} after ${method} is followed by ${then}${body === '' ? '' : ' with the body'}`, async () => {
      const seen: Seen[] = [];
      const change = method === 'GET' || method === 'HEAD' ? { method } : { method, body: 'x', headers: { 'content-type': 'text/plain' } };
      assert.equal(await get(recordingWorld(seen), `https://a.example/${status}/%2Fthere`, change), 200);
      assert.deepEqual([seen[1]?.method, seen[1]?.body, seen[1]?.url], [then, body, 'a.example/there']);
      assert.equal(seen[1]?.names.includes('content-type'), body !== '');
    });
  }

  it('are followed three times and no more, and not at all with a limit of 0', async () => {
    const chain = (length: number): string =>
      Array.from({ length }, () => '/302/').reduce((to, one) => one + encodeURIComponent(to), '/end');
    const seen: Seen[] = [];
    assert.equal(await get(recordingWorld(seen), `https://a.example${chain(3)}`), 200);
    assert.equal(seen.length, 4);
    assert.equal(await get(recordingWorld([]), `https://a.example${chain(4)}`), 'redirect_limit');
    assert.equal(await get(recordingWorld([]), `https://a.example${chain(1)}`, { maxRedirects: 0 }), 302);
    assert.equal(await get(recordingWorld([]), 'https://a.example/302/'), 302, 'one that says not where to is a reply');
    assert.equal(await get(recordingWorld([]), 'https://a.example/304/x'), 304);
  });

  it('lose what may be a secret on the way to another origin, and only then', async () => {
    const headers = { authorization: 'Bearer x', cookie: 'a=b', 'x-api-key': 'k', 'webhook-signature': 's', accept: 'text/plain' };
    const seen: Seen[] = [];
    await get(recordingWorld(seen), `https://a.example/302/${encodeURIComponent('https://b.example/')}`, { headers });
    const secrets = ['authorization', 'cookie', 'webhook-signature', 'x-api-key'];
    assert.deepEqual(
      secrets.filter((name) => seen[1]?.names.includes(name)),
      [],
    );
    assert.ok(seen[1]?.names.includes('accept'));
    seen.length = 0;
    await get(recordingWorld(seen), 'https://a.example/302/%2Fthere', { headers });
    assert.deepEqual(
      secrets.filter((name) => seen[1]?.names.includes(name)),
      secrets,
    );
  });

  it('do not lead from https to http', async () => {
    const to = encodeURIComponent('http://a.example/');
    assert.equal(await get(recordingWorld([]), `https://a.example/302/${to}`), 'redirect_downgrade');
  });

  it('that are refused say that the first request may have been taken', async () => {
    const world = createEgressWorld(redirectRaw('https://127.0.0.1/'), () => [PUBLIC]);
    const egress = createEgress({ resolve: world.resolve, connect: world.connect });
    const post = egress.request({ url: 'https://a.example/start', method: 'POST', headers: {}, body: 'x' });
    await assert.rejects(post, { name: 'EgressRefusedError', reason: 'address', sent: 'maybe' });
  });
});
