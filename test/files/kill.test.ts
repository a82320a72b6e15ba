// Uploads against the product as a user runs it, while its processes are killed.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { type Product, startProduct } from '../support/product.ts';
import { holds, sha256, uploadByTus } from './world.ts';

const MEBIBYTE = 1024 * 1024;
const SIZE_BYTES = 48 * MEBIBYTE;
const STREAM_BYTES = 300 * MEBIBYTE;
const MAX_GROWTH_BYTES = 100 * MEBIBYTE;
const MAX_STRIKES = 10;

let product: Product;
before(async () => {
  product = await startProduct(['--ephemeral'], { SETTLE_SWEEP: '1s' });
});
after(() => product?.[Symbol.asyncDispose]());

async function readyFile(id: string): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  await holds(async () => assert.equal((await product.call('GET', `/v1/files/${id}`)).body.state, 'ready'));
  return (await product.call('GET', `/v1/files/${id}`)).body;
}

/** Every try at a step of the check, from its beginning on. */
async function stepsOf(fileId: string): Promise<readonly { readonly attempt: number }[]> {
  const { operationId } = (await product.call('GET', `/v1/files/${fileId}`)).body;
  return (await product.call('GET', `/v1/operations/${operationId}/timeline`)).body.data;
}

describe('kill -9', () => {
  it('of the API loses no acknowledged byte, and the client goes on where it was', async () => {
    const bytes = randomBytes(SIZE_BYTES);
    const killAt = [8, 24].map((mebibytes) => mebibytes * MEBIBYTE);
    let acknowledged = 0;
    let resumed = 0;
    const id = await uploadByTus(`${product.endpoints['api']}/v1/uploads`, {
      bytes,
      key: product.apiKey,
      options: {
        chunkSize: 4 * MEBIBYTE,
        retryDelays: Array.from({ length: 120 }, () => 500),
        onChunkComplete(_size, accepted) {
          acknowledged = accepted;
          if (killAt[0] !== undefined && accepted >= killAt[0]) {
            killAt.shift();
            product.kill('app');
          }
        },
        onAfterResponse(_request, response) {
          const offset = response.getHeader('Upload-Offset');
          if (offset === undefined || _request.getMethod() !== 'HEAD') return;
          resumed += 1;
          assert.ok(Number(offset) >= acknowledged, `${offset} of ${acknowledged} that were acknowledged`);
        },
      },
    });
    assert.ok(resumed >= 2 && killAt.length === 0);
    const file = await readyFile(id);
    assert.deepEqual([file.sizeBytes, file.sha256], [SIZE_BYTES, sha256(bytes)]);
  });

  it('of the worker gives its step to the next one', async () => {
    // Where the work was done before the strike, nothing was proven yet.
    for (let strike = 1; ; strike += 1) {
      assert.ok(strike <= MAX_STRIKES, 'no strike fell into the work');
      const bytes = randomBytes(8 * MEBIBYTE);
      const id = await uploadByTus(`${product.endpoints['api']}/v1/uploads`, { bytes, key: product.apiKey });
      await holds(async () => assert.ok((await stepsOf(id)).length > 0));
      const killed = product.processes().find(({ name }) => name === 'work')?.pid;
      product.kill('work');
      const file = await readyFile(id);
      assert.equal(file.sha256, sha256(bytes));
      if ((await stepsOf(id)).some(({ attempt }) => attempt > 1)) return;
      await holds(async () => assert.notEqual(product.processes().find(({ name }) => name === 'work')?.pid ?? killed, killed));
    }
  });
});

it('takes no more memory for a large file than for a small one', async () => {
  const pid = product.processes().find(({ name }) => name === 'app')?.pid;
  const peakBytes = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  await stream(8 * MEBIBYTE);
  const small = peakBytes();
  const { id, hash } = await stream(STREAM_BYTES);
  const growth = peakBytes() - small;
  assert.ok(growth < MAX_GROWTH_BYTES, `${Math.round(growth / MEBIBYTE)} MiB more`);
  assert.equal((await readyFile(id)).sha256, hash);
});

/** A body whose length nobody says, made while it is sent. */
async function stream(sizeBytes: number): Promise<{ readonly id: string; readonly hash: string }> {
  const hash = createHash('sha256');
  const block = randomBytes(MEBIBYTE);
  function* blocks(): Generator<Buffer> {
    for (let sent = 0; sent < sizeBytes; sent += block.length) {
      block.writeUInt32BE(sent / MEBIBYTE);
      hash.update(block);
      yield Buffer.from(block);
    }
  }
  const sending = request(`${product.endpoints['api']}/v1/files`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${product.apiKey}` },
  });
  const answer = new Promise<string>((resolve, reject) => {
    sending.on('error', reject);
    sending.on('response', (response) => void response.toArray().then((parts) => resolve(Buffer.concat(parts).toString()), reject));
  });
  await pipeline(Readable.from(blocks()), sending);
  const operation: unknown = JSON.parse(await answer);
  const link = /"resource":"\/v1\/files\/([^"]+)"/.exec(JSON.stringify(operation))?.[1];
  assert.ok(link !== undefined, await answer);
  return { id: link, hash: hash.digest('hex') };
}
