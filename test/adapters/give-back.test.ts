import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { giveBack, oneAtATime } from '../../src/adapters/give-back.ts';

describe('memory that is given back', () => {
  it('is gone at once', () => {
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(64 * 1024 * 1024);
    giveBack(piece);
    assert.equal(piece.length, 0);
    assert.ok(process.memoryUsage().arrayBuffers < before + 1024 * 1024);
  });

  it('is left where others may have a part of it', () => {
    const whole = Buffer.alloc(100, 'a');
    giveBack(whole.subarray(0, 99));
    giveBack(Buffer.from('from a pool'));
    giveBack(new Uint8Array(new SharedArrayBuffer(8)));
    assert.equal(whole.toString(), 'a'.repeat(100));
    assert.equal(Buffer.from('from a pool').toString(), 'from a pool');
  });

  it('may be given back twice, and be none', () => {
    const piece = Buffer.alloc(100);
    for (const one of [piece, piece, Buffer.alloc(0), new Uint8Array(0)]) giveBack(one);
    assert.equal(piece.length, 0);
  });

  it('is that of the piece before, when the next is asked for', async () => {
    const given: Buffer[] = [];
    async function* source(): AsyncGenerator<Buffer> {
      for (let piece = 0; piece < 3; piece += 1) yield Buffer.alloc(100, piece);
    }
    for await (const piece of oneAtATime(source())) {
      assert.equal(piece.length, 100);
      assert.deepEqual(
        given.map(({ length }) => length),
        given.map(() => 0),
      );
      given.push(piece);
    }
    assert.equal(given.length, 3);
  });
});
