import { open } from 'node:fs/promises';
import type { Reject } from '../tables.ts';

const FLUSH_CHARS = 256 * 1024;

/** Writes rejects as JSON lines. Undefined when there is none. */
export async function writeRejects(
  path: string,
  first: Iterable<Reject>,
  rest: AsyncIterable<Reject> | undefined,
): Promise<string | undefined> {
  let waiting = '';
  let hasSome = false;
  await using file = await open(path, 'w');
  const write = async (reject: Reject): Promise<void> => {
    hasSome = true;
    waiting += `${JSON.stringify(reject)}\n`;
    if (waiting.length < FLUSH_CHARS) return;
    await file.writeFile(waiting.toWellFormed());
    waiting = '';
  };
  for (const reject of first) await write(reject);
  if (rest !== undefined) for await (const reject of rest) await write(reject);
  if (waiting !== '') await file.writeFile(waiting.toWellFormed());
  return hasSome ? path : undefined;
}
