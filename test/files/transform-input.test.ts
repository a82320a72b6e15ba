import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openInput } from '../../src/activities/files/transform-input.ts';
import type { FileBytes } from '../../src/adapters/file-bytes.ts';
import { createDuckdbTables } from '../../src/adapters/tables-duckdb.ts';

// Unpacking needs no folder.
const tables = createDuckdbTables({ folder: 'none' });
const { signal } = new AbortController();

/** What is stored, a few bytes at a time, so that characters lie across pieces; hears of each piece. */
function fileOf(bytes: Buffer, onPiece: (firstByte: number) => void = () => undefined): FileBytes {
  return {
    async stat() {
      return { sizeBytes: bytes.length };
    },
    async read({ firstByte } = { firstByte: 0 }) {
      async function* pieces() {
        for (let at = firstByte; at < bytes.length; at += 7) {
          onPiece(at);
          yield bytes.subarray(at, at + 7);
        }
      }
      return { body: Readable.from(pieces(), { highWaterMark: 1 }), sizeBytes: bytes.length };
    },
  } as FileBytes; // what reading a table needs of it
}

async function read(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('the text of a file', () => {
  it('keeps what is nothing in its encoding invalid, from whatever byte on it is read', async () => {
    // A first byte of two, before an end of a line and at the end of all.
    const bytes = Buffer.concat([
      Buffer.from([0x83, 0x65]),
      Buffer.from('a,b\n1,'),
      Buffer.from([0x83, 0x0a]),
      Buffer.from('2,c'),
      Buffer.from([0x83]),
    ]);
    const { open } = await openInput({ tables }, fileOf(bytes), { encoding: 'shift_jis', signal });
    const invalid = Buffer.from([0xff]);
    const expected = Buffer.concat([Buffer.from('\u30c6a,b\n1,'), invalid, Buffer.from('\n2,c'), invalid]);
    for (let firstByte = 0; firstByte <= expected.length; firstByte += 1)
      assert.deepEqual(await read(open(firstByte)), expected.subarray(firstByte), `from ${firstByte}`);
  });

  it('that is packed is not read to its place once it is cancelled', async () => {
    const stop = new AbortController();
    const packed = gzipSync(Buffer.from(Array.from({ length: 2_000 }, (_, index) => `${index},${Math.sin(index)}\n`).join('')));
    let cancelAt = Number.POSITIVE_INFINITY;
    let last = 0;
    const file = fileOf(packed, (at) => {
      last = at;
      if (at >= cancelAt) stop.abort(new Error('stop'));
    });
    const { open } = await openInput({ tables }, file, { encoding: undefined, signal: stop.signal });
    cancelAt = 1_000;
    await assert.rejects(read(open(1e9)), /stop/);
    assert.ok(last < packed.length / 2, `read ${last} of ${packed.length} bytes`);
  });

  it('that is packed and damaged, or ends too early, is at fault itself', async () => {
    const text = Buffer.from(Array.from({ length: 4_000 }, (_, index) => `${index},${index * 7_919}\n`).join(''));
    const packed = gzipSync(text);
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, packed.length / 2, packed.length / 2 + 64);
    for (const bytes of [damaged, packed.subarray(0, -20), zstdCompressSync(text).subarray(0, -20)]) {
      const whole = async (): Promise<Buffer> => {
        const { open } = await openInput({ tables }, fileOf(bytes), { encoding: undefined, signal });
        return read(open(0));
      };
      await assert.rejects(whole, { name: 'TableError', message: /damaged, or ends too early/ });
    }
  });
});
