import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { giveBack, oneAtATime } from '../give-back.ts';
import type { Reject } from '../tables.ts';
import { linesOf } from './text-lines.ts';

const TEXT_CHARS = 200;
const MAX_DEPTH = 100;
/** Lines may be so short that each takes a hundred times its bytes while it is looked at. */
const PIECE_BYTES = 256 * 1024;

interface Filter {
  readonly from: string;
  readonly to: string;
  readonly firstLine: number;
  /** Hears of each object that is kept. */
  readonly onObject?: (value: object) => void;
  /** Hears of each line that is not, in order. */
  readonly onReject?: (reject: Reject) => Promise<void>;
}

/**
 * Keeps the lines that are JSON objects, in a file of their own, and says why the others are not. Blank lines are nothing. Gives for each line
 * that is kept the line of the input that it was.
 */
export async function filterLines({ from, to, firstLine, onObject, onReject }: Filter): Promise<readonly number[]> {
  const lines: number[] = [];
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
      } else if ('code' in found) await onReject?.({ line, ...found });
    }
    const together = Buffer.concat(kept);
    await target.writeFile(together);
    giveBack(together);
  }
  return lines;
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
