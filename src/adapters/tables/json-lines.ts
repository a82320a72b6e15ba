import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { giveBack, oneAtATime } from '../give-back.ts';
import type { Reject } from '../tables.ts';

const TEXT_CHARS = 200;
const MAX_DEPTH = 100;
const PIECE_BYTES = 1024 * 1024;

export interface FilteredLines {
  /** For each line that is left: the line of the input that it was. */
  readonly lines: readonly number[];
  readonly rejects: readonly Reject[];
}

interface Filter {
  readonly from: string;
  readonly to: string;
  readonly firstLine: number;
  /** Hears of each object that is kept. */
  readonly onObject?: (value: object) => void;
}

/** Keeps the lines that are JSON objects, in a file of their own, and says why the others are not. Blank lines are nothing. */
export async function filterLines({ from, to, firstLine, onObject }: Filter): Promise<FilteredLines> {
  const lines: number[] = [];
  const rejects: Reject[] = [];
  await using file = await open(from, 'r');
  const source = oneAtATime<Buffer>(file.createReadStream({ highWaterMark: PIECE_BYTES, autoClose: false }));
  await using target = await open(to, 'w');
  let line = firstLine - 1;
  for await (const batch of linesOf(source)) {
    const kept: Buffer[] = [];
    for (const bytes of batch) {
      line += 1;
      const found = judge(bytes);
      if ('value' in found) {
        kept.push(bytes, LINE_END);
        lines.push(line);
        onObject?.(found.value);
      } else if ('code' in found) rejects.push({ line, ...found });
    }
    const together = Buffer.concat(kept);
    await target.writeFile(together);
    giveBack(together);
  }
  return { lines, rejects };
}

const LINE_END = Buffer.from('\n');

type Judged = { readonly value: object } | { readonly isBlank: true } | Omit<Reject, 'line'>;

function judge(bytes: Buffer): Judged {
  if (!isUtf8(bytes)) return { code: 'invalid_encoding', message: 'The line is not UTF-8.' };
  const text = bytes.toString('utf8');
  if (text.trim() === '') return { isBlank: true };
  const bad = (code: Reject['code'], message: string): Omit<Reject, 'line'> => ({ code, message, text: text.slice(0, TEXT_CHARS) });
  if (isDeep(bytes)) return bad('invalid_json', `The JSON is nested more than ${MAX_DEPTH} deep.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('invalid_json', 'The line is no JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('not_an_object', 'The line is JSON, but no object.');
  // Half a pair can not be written as text; what escapes it here is refused further on.
  if (/\\u[dD][89a-fA-F]/.test(text) && /\\ud[89a-f]/.test(JSON.stringify(value)))
    return bad('invalid_json', 'The line holds half a character.');
  return { value };
}

function isDeep(bytes: Buffer): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) isInString = false;
    } else if (byte === 0x22) isInString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}

/** Lines without their ends, as many at a time as a piece has. Lines end as records do where no quotes are known. */
async function* linesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Buffer[]> {
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
