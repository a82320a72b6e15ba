import { open } from 'node:fs/promises';
import { giveBack, oneAtATime } from '../give-back.ts';
import { RecordScanner, type RecordScannerOptions } from '../record-scanner.ts';

const PIECE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LINE_END = Buffer.from('\n');

/** Copies a table with LF at the end of each line, whatever it was; in quotes nothing changes, and the number of lines stays. */
export async function endLinesAlike(from: string, to: string, options: RecordScannerOptions): Promise<void> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'w');
  const scanner = new RecordScanner(options);
  let isHalf = false;
  for await (const bytes of oneAtATime<Buffer>(source.createReadStream({ highWaterMark: PIECE_BYTES, autoClose: false }))) {
    const parts: Buffer[] = [];
    let kept = isHalf && bytes[0] === NEWLINE ? 1 : 0;
    let taken = 0;
    isHalf = false;
    for (let at = bytes.indexOf(RETURN); at !== -1; at = bytes.indexOf(RETURN, at + 1)) {
      scanner.take(bytes.subarray(taken, at));
      taken = at;
      if (scanner.isQuoted) continue;
      parts.push(bytes.subarray(kept, at), LINE_END);
      isHalf = at + 1 === bytes.length;
      kept = bytes[at + 1] === NEWLINE ? at + 2 : at + 1;
    }
    scanner.take(bytes.subarray(taken));
    parts.push(bytes.subarray(Math.min(kept, bytes.length)));
    const together = Buffer.concat(parts);
    await target.writeFile(together);
    giveBack(together);
  }
}
