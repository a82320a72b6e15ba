import type { IncomingMessage } from 'node:http';
import { HttpProblem } from './problems.ts';

const MAX_DEPTH = 32;
const BODY_TIMEOUT_MS = 60_000;
/** How much of a refused body is still read, so that the client gets the answer rather than a reset. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
/** Assigning one of these to an object by name would change the object itself. */
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Reads the body of a request as JSON. Undefined when there is none.
 * @throws {HttpProblem} for a wrong type, too many bytes, text that is not UTF-8 or not JSON, and what the database could not store
 */
export async function readJson(request: IncomingMessage, limitBytes: number): Promise<unknown> {
  if (!hasBody(request)) return undefined;
  const bytes = await readBytes(request, limitBytes);
  if (bytes.length === 0) return undefined;
  requireJsonType(request);
  const text = decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpProblem('malformed_json', `The body is not JSON: ${whereItBreaks(text)}.`);
  }
  requireStorable(value);
  return value;
}

/** JSON with sorted keys: two bodies that say the same have the same text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) => {
    if (typeof nested !== 'object' || nested === null || Array.isArray(nested)) return nested;
    return Object.fromEntries(Object.entries(nested).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Why a text can't be stored as it is, or undefined when it can. */
export function textFault(text: string): string | undefined {
  if (text.includes('\u0000')) return 'must not hold the character U+0000';
  if (!text.isWellFormed()) return 'must be well-formed Unicode, without lone surrogates';
  return undefined;
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

function requireJsonType(request: IncomingMessage): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (type !== 'application/json' || (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')) {
    throw new HttpProblem('unsupported_media_type', 'The body must be sent as `Content-Type: application/json`, in UTF-8.');
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new HttpProblem('unsupported_media_type', 'The body must be sent without `Content-Encoding`.');
  }
}

/** The body as it came. @throws {HttpProblem} for too many bytes */
export async function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  // Made only when needed: an error costs its stack.
  const tooLarge = (): HttpProblem =>
    new HttpProblem('payload_too_large', `The body is larger than the ${limitBytes} bytes that this route takes.`);
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    discard(request);
    throw tooLarge();
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const onData = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    chunks.push(chunk);
    if (sizeBytes <= limitBytes) return;
    request.off('data', onData);
    discard(request);
    reject(tooLarge());
  };
  request.on('data', onData);
  const timer = setTimeout(() => reject(tooSlow()), BODY_TIMEOUT_MS);
  request.once('end', () => resolve(Buffer.concat(chunks)));
  request.once('error', reject);
  request.once('close', () => {
    if (!request.complete) reject(new HttpProblem('malformed_request', 'The connection ended before the body was complete.'));
  });
  return promise.finally(() => clearTimeout(timer));
}

function tooSlow(): HttpProblem {
  return new HttpProblem('request_timeout', 'The body was not complete in time.', { headers: { Connection: 'close' } });
}

/** Reads on for a while without keeping anything, so that the client gets the answer. */
export function discard(request: IncomingMessage): void {
  let sizeBytes = 0;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_DISCARDED_BYTES) request.destroy();
  });
  request.on('error', () => undefined);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HttpProblem('malformed_json', 'The body is not UTF-8.');
  }
}

/** Line and column of the first fault, found without repeating what the body holds. */
function whereItBreaks(text: string): string {
  let low = 0;
  try {
    JSON.parse(text);
  } catch (error) {
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined;
    if (position === undefined) return 'it ends too early or holds something that is no JSON';
    low = Number(position);
  }
  const lines = text.slice(0, low).split('\n');
  return `it breaks at line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** Walks the value without recursion, so that nesting can't exhaust the stack. */
function requireStorable(root: unknown): void {
  const open: { value: unknown; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 0 }];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const { value, pointer, depth } = entry;
    if (typeof value === 'string') refuse(textFault(value), pointer);
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= MAX_DEPTH) throw new HttpProblem('malformed_json', `The body is nested more than ${MAX_DEPTH} levels deep.`);
    for (const [key, nested] of Object.entries(value)) {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (FORBIDDEN_KEYS.has(key)) refuse('is a name that is not allowed', at);
      const fault = textFault(key);
      if (fault !== undefined) refuse(`a name in it ${fault}`, pointer);
      open.push({ value: nested, pointer: at, depth: depth + 1 });
    }
  }
}

function refuse(fault: string | undefined, pointer: string): void {
  if (fault === undefined) return;
  throw new HttpProblem('invalid_request', `The body holds something that is not allowed: ${pointer || 'the value'} ${fault}.`, {
    errors: [{ pointer, message: fault }],
  });
}
