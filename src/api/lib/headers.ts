import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { canonicalJson, textFault } from './json.ts';
import { HttpProblem } from './problems.ts';
import type { Idempotency } from './route.ts';

const MAX_KEY_CHARS = 255;
const MAX_WAIT_SECONDS = 25;

/**
 * `Idempotency-Key`, in quotes as the draft standard has it or bare, with what it stands for.
 * @throws {HttpProblem} when it is empty or too long
 */
export function readIdempotency(request: Request, body: unknown): Idempotency | undefined {
  const header = request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  const key = unquote(String(header).trim());
  if (key === undefined || key.length === 0 || key.length > MAX_KEY_CHARS || textFault(key) !== undefined) {
    const message = `must have 1 to ${MAX_KEY_CHARS} characters, bare or as a string in double quotes`;
    throw new HttpProblem('invalid_request', `Idempotency-Key ${message}.`, { errors: [{ pointer: 'header/idempotency-key', message }] });
  }
  const digest = createHash('sha256')
    .update(`${request.method} ${request.path}\n${canonicalJson(body ?? null)}`)
    .digest('hex');
  return { key, digest };
}

/** How long the caller would wait, by `Prefer: wait=N`; more than we allow is cut, anything odd is ignored, as RFC 7240 asks. */
export function readWaitMs(request: Request): number {
  const header = String(request.headers['prefer'] ?? '');
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?(?:$|[,;\s])/i.exec(header)?.[1];
  return seconds === undefined ? 0 : Math.min(Number(seconds), MAX_WAIT_SECONDS) * 1000;
}

function unquote(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  const inner = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1];
  return inner?.replaceAll(/\\(["\\])/g, '$1');
}
