import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { constants, zstdCompressSync } from 'node:zlib';
import { unzstd } from '../../src/adapters/zstd-frames.ts';
import { pieces } from './storage.suite.ts';

async function unpacked(...parts: readonly Buffer[]): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for await (const piece of unzstd(pieces(...parts))) found.push(piece);
  return Buffer.concat(found);
}

function skippable(bytes: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a53, 0);
  head.writeUInt32LE(bytes, 4);
  return Buffer.concat([head, Buffer.alloc(bytes, 1)]);
}

describe('zstd', () => {
  const contents = [Buffer.from('one\n'), Buffer.alloc(0), Buffer.alloc(700_000, 'x'), randomBytes(300_000), Buffer.from('last')];
  const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
  const frames = contents.map((content, index) => zstdCompressSync(content, index % 2 === 0 ? checked : {}));
  const whole = Buffer.concat(contents);

  it('unpacks all frames of a stream, wherever it is cut', async () => {
    const stream = Buffer.concat([skippable(0), ...frames, skippable(1000), zstdCompressSync('after')]);
    const expected = Buffer.concat([whole, Buffer.from('after')]);
    assert.ok((await unpacked(stream)).equals(expected), 'in one piece');
    for (const size of [1, 7, 4096]) {
      const head = stream.subarray(0, 2000);
      const parts = [];
      for (let at = 0; at < head.length; at += size) parts.push(head.subarray(at, at + size));
      assert.ok((await unpacked(...parts, stream.subarray(2000))).equals(expected), `in pieces of ${size}`);
    }
  });

  it('refuses what is cut off, or no frame', async () => {
    await assert.rejects(unpacked(Buffer.concat(frames).subarray(0, -2)));
    await assert.rejects(unpacked(Buffer.from('no frame at all')));
    await assert.rejects(unpacked(Buffer.concat([frames[0] ?? Buffer.alloc(0), Buffer.from('garbage that is no frame')])));
  });
});
