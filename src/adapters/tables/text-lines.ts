import { giveBack } from '../give-back.ts';

/** Lines without their ends, as many at a time as a piece has. Lines end as records do where no quotes are known. */
export async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, from)) {
      lines.push(bytes.subarray(from, end));
      from = end + 1;
    }
    rest = Buffer.from(bytes.subarray(from));
    yield lines;
    if (bytes !== piece) giveBack(bytes);
  }
  if (rest.length > 0) yield [rest];
}
