// An upload as an end user does it: a page of another origin, a real browser, a token instead of a key.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { StoredFile } from '../../src/contracts/files/file.ts';
import { launchBrowser, NO_BROWSER } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type Product, startProduct } from '../support/product.ts';

const PATIENCE_MS = 60_000;
const SIZE_BYTES = 3 * 1024 * 1024;
const LIBRARY = join(dirname(createRequire(import.meta.url).resolve('tus-js-client/package.json')), 'dist/tus.min.js');

/** What an application's page would have. The upload goes on where it was when the page is opened again. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Upload</title><input id="file" type="file"><output id="state"></output>
<script src="/tus.js"></script><script>
  const [endpoint, token] = decodeURIComponent(location.hash.slice(1)).split(' ');
  const say = (text) => { document.getElementById('state').textContent = text; };
  document.getElementById('file').addEventListener('change', async ({ target }) => {
    const [file] = target.files;
    const upload = new tus.Upload(file, {
      endpoint, chunkSize: 256 * 1024, headers: { Authorization: 'Bearer ' + token },
      metadata: { filename: file.name, filetype: file.type },
      onChunkComplete: (size, accepted) => say('accepted ' + accepted),
      onError: (error) => say('failed: ' + error.message),
      onSuccess: () => say('done ' + upload.url),
      onAfterResponse: (request, response) => {
        if (request.getMethod() === 'HEAD') document.title = 'went on at ' + response.getHeader('Upload-Offset');
      },
    });
    const [previous] = await upload.findPreviousUploads();
    if (previous) upload.resumeFromPreviousUpload(previous);
    upload.start();
  });
</script>`;

describe('an upload from a browser', { skip: NO_BROWSER }, () => {
  let product: Product;
  let browser: Browser;
  let pages: Server;
  let origin: string;

  before(async () => {
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    const library = readFileSync(LIBRARY);
    pages = createServer((request, response) => {
      const isLibrary = request.url === '/tus.js';
      response.setHeader('Content-Type', isLibrary ? 'text/javascript' : 'text/html').end(isLibrary ? library : PAGE);
    }).listen(port, '127.0.0.1');
    product = await startProduct(['--ephemeral'], { CORS_ORIGINS: origin });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    pages?.closeAllConnections();
    pages?.close();
    await product?.[Symbol.asyncDispose]();
  });

  async function tokenOf(subject: string): Promise<string> {
    const body = { subject, scopes: ['files:write', 'files:read'], ttl: '15m' };
    return (await product.call('POST', '/v1/tokens', { body })).body.secret;
  }

  async function open(page: Page, token: string): Promise<void> {
    await page.goto('about:blank');
    await page.goto(`${origin}/#${encodeURIComponent(`${product.endpoints['api']}/v1/uploads ${token}`)}`);
  }

  test('goes on after the page was closed in the middle, and gives the user the same bytes again', async () => {
    const token = await tokenOf('u_42');
    const context = await browser.newContext();
    const bytes = randomBytes(SIZE_BYTES);
    // On disk: by name, size and time of change the client finds again what it had begun.
    const folder = mkdtempSync(join(tmpdir(), 'nightshift-browser-'));
    const file = join(folder, 'photo raw.bin');
    writeFileSync(file, bytes);
    const first = await context.newPage();
    first.setDefaultTimeout(PATIENCE_MS);
    // The line of this page breaks after a third.
    let patches = 0;
    await first.route('**/v1/uploads/*', (route) => {
      if (route.request().method() === 'PATCH') patches += 1;
      return patches > 4 ? route.abort() : route.continue();
    });
    await open(first, token);
    await first.setInputFiles('#file', file);
    await eventually(() => patches > 4, { timeoutMs: PATIENCE_MS });
    await first.close();

    const second = await context.newPage();
    second.setDefaultTimeout(PATIENCE_MS);
    await open(second, token);
    await second.setInputFiles('#file', file);
    const state = second.locator('#state', { hasText: /^(done|failed)/ });
    await state.waitFor();
    const [, id] = /done .*\/([^/]+)$/.exec(await state.innerText()) ?? assert.fail(await state.innerText());
    assert.match(await second.title(), /^went on at [1-9]/);

    const url = `${product.endpoints['api']}/v1/files/${id}`;
    const stored = await eventually(
      async () => {
        const found = (await second.evaluate(
          async ([address, bearer]) => (await fetch(address ?? '', { headers: { Authorization: `Bearer ${bearer}` } })).json(),
          [url, token],
        )) as StoredFile; // what the route answers
        return found.state === 'ready' ? found : undefined;
      },
      { timeoutMs: PATIENCE_MS },
    );
    assert.deepEqual(
      [stored.name, stored.sizeBytes, stored.sha256, stored.ownerSubject],
      ['photo raw.bin', SIZE_BYTES, createHash('sha256').update(bytes).digest('hex'), 'u_42'],
    );
    const given = await second.evaluate(
      async ([address, bearer]) => {
        const answer = await fetch(`${address}/content`, { headers: { Authorization: `Bearer ${bearer}` } });
        const digest = await crypto.subtle.digest('SHA-256', await answer.arrayBuffer());
        return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      },
      [url, token],
    );
    assert.equal(given, stored.sha256);
    await context.close();
    rmSync(folder, { recursive: true, force: true });

    const stranger = await fetch(url, { headers: { Authorization: `Bearer ${await tokenOf('u_43')}` } });
    assert.equal(stranger.status, 404);
  });

  test('is refused to a page of an origin that was not named', async () => {
    const elsewhere = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end('<title>x</title>'));
    const port = await freePort();
    elsewhere.listen(port, '127.0.0.1');
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    const outcome = await page.evaluate(
      ([address, bearer]) =>
        fetch(`${address}/v1/uploads`, {
          method: 'POST',
          headers: { Authorization: `Bearer ${bearer}`, 'Tus-Resumable': '1.0.0', 'Upload-Length': '5' },
        }).then(
          () => 'answered',
          () => 'refused',
        ),
      [product.endpoints['api'], await tokenOf('u_42')],
    );
    assert.equal(outcome, 'refused');
    elsewhere.closeAllConnections();
    elsewhere.close();
  });
});
