import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RecordScanner } from '../../src/adapters/record-scanner.ts';
import { cutChunks } from '../../src/adapters/tables/cut.ts';
import { LineCounter } from '../../src/adapters/tables/line-counter.ts';

/** A small generator with a seed, so that a failure can be repeated. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Told {
  readonly lines: number;
  readonly recordEnd: number;
  readonly recordLines: number;
}

/** The same as the scanner tells, said as plainly as can be, of a text that has come to its end. */
function plainly(text: string, { hasQuotes }: { readonly hasQuotes: boolean }): Told {
  let told = { lines: 0, recordEnd: 0, recordLines: 0 };
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const before = at === 0 ? '\n' : text[at - 1];
    const character = text[at];
    if (hasQuotes && character === '"') {
      if (!isQuoted) isQuoted = before === ',' || before === '\n' || before === '\r';
      else if (text[at + 1] === '"') at += 1;
      else isQuoted = false;
      continue;
    }
    const isReturn = hasQuotes && !isQuoted && character === '\r' && text[at + 1] !== '\n';
    if (character !== '\n' && !isReturn) continue;
    const lines = told.lines + 1;
    told = isQuoted ? { ...told, lines } : { lines, recordEnd: at + 1, recordLines: lines };
  }
  return told;
}

/** What means nothing, though it is near to what does, in one bit or by one. */
const PLAIN = '!#\t\x0b\x0c\x0e\x8a\x8d\xa2\x00\xff';

describe('the ends of records', () => {
  for (const hasQuotes of [true, false])
    it(`are found in any pieces of any text, ${hasQuotes ? 'with quotes' : 'without'}`, () => {
      const random = createRandom(20_261_130);
      for (let round = 0; round < 20_000; round += 1) {
        const plainOnes = random(6);
        const character = () => (random(6) < plainOnes ? PLAIN[random(PLAIN.length)] : '"",\n\r ax'[random(8)]);
        const text = Array.from({ length: random(48) }, character).join('');
        const bytes = Buffer.from(text, 'latin1');
        const scanner = new RecordScanner({ hasQuotes, delimiters: [0x2c] });
        for (let at = 0; at < text.length;) {
          const end = at + 1 + random(20);
          scanner.take(bytes.subarray(at, end));
          at = end;
        }
        scanner.endLine();
        const { lines, recordEnd, recordLines } = scanner;
        assert.deepEqual({ lines, recordEnd, recordLines }, plainly(text, { hasQuotes }), JSON.stringify(text));
        assert.equal(scanner.offset, text.length);
      }
    });
});

describe('the lines of places in a chunk', () => {
  it('are told from the nearest place that is known, and are those that counting from the beginning tells', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-lines-'));
    try {
      const random = createRandom(7);
      const starts: { readonly byte: number; readonly line: number }[] = [];
      let text = 'id,note\n';
      let line = 2;
      // Some records are longer than two known places are apart.
      for (let id = 0; id < 6_000; id += 1) {
        const breaks = random(4);
        starts.push({ byte: text.length, line });
        text += `${id},"${`say ""x"",\n`.repeat(breaks)}${'y'.repeat(id % 1_000 === 500 ? 100_000 : random(60))}"\n`;
        line += breaks + 1;
      }
      const bytes = Buffer.from(text);
      const plan = { dialect: { format: 'csv', delimiter: ',' }, columns: [], firstByte: 8, firstLine: 2 } as const;
      async function* open(firstByte: number) {
        for (let at = firstByte; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000);
      }
      const path = join(folder, 'chunk');
      let asked = 0;
      let known = 0;
      for await (const chunk of cutChunks({ open, plan, firstByte: 8, firstLine: 2, chunkBytes: 400_000 }, path)) {
        const own = starts.filter(({ byte }) => byte >= chunk.firstByte && byte < chunk.endByte);
        const options = { delimiters: [0x2c] };
        const first = { byte: 0, line: chunk.firstLine };
        // Without columns there is no more than one.
        const [slice, ...others] = chunk.slices;
        assert.ok(slice !== undefined && others.length === 0);
        await using near = await LineCounter.open(slice.path, options, { first, places: slice.places });
        await using far = await LineCounter.open(slice.path, options, { first, places: [] });
        for (const { byte, line: expected } of own.filter((_, index) => index % 97 < 2)) {
          const offset = byte - chunk.firstByte;
          assert.deepEqual([await near.lineAt(offset), await far.lineAt(offset)], [expected, expected]);
          asked += 1;
        }
        const lineOf = new Map(own.map(({ byte, line: at }) => [byte - chunk.firstByte, at]));
        // The last is where the next chunk begins.
        for (const place of slice.places.slice(0, -1)) assert.equal(place.line, lineOf.get(place.byte));
        known += slice.places.length;
      }
      assert.ok(asked > 100 && known > 20, `${asked} asked, ${known} known`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
