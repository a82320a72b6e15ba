import type { IncomingHttpHeaders } from 'node:http';
import * as z from 'zod';
import { FileName, MediaType } from '../../contracts/files/file.ts';
import { StartFields } from '../../contracts/operation.ts';
import { textFault } from '../lib/json.ts';
import { parsePart } from '../lib/parse.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { StartBody } from '../lib/start.ts';

export const TUS_VERSION = '1.0.0';
const MAX_METADATA_CHARS = 8_192;
/** What clients call the name and the type of a file. */
const NAME_KEYS = ['filename', 'name'];
const TYPE_KEYS = ['filetype', 'type', 'contentType'];
const START_KEY = 'start';

/** What a client says of a file when it begins to send it. */
export interface Described {
  readonly name: string | undefined;
  readonly declaredType: string | undefined;
  readonly start: StartBody;
}

const StartSchema = z.strictObject(StartFields);

/** @throws {HttpProblem} tus_version_unsupported */
export function requireTus(headers: IncomingHttpHeaders): void {
  if (headers['tus-resumable'] === TUS_VERSION) return;
  throw new HttpProblem('tus_version_unsupported', undefined, { headers: { 'Tus-Version': TUS_VERSION } });
}

/** A header that is a whole number. @throws {HttpProblem} when it is something else */
export function readCount(headers: IncomingHttpHeaders, name: string): number | undefined {
  const text = headers[name];
  if (text === undefined) return undefined;
  const count = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count)) throw badHeader(name, 'must be a whole number of bytes, given once');
  return count;
}

/**
 * `Upload-Metadata`: names and values in base64, with commas. Names that we do not know are kept for the client.
 * @throws {HttpProblem}
 */
export function readMetadata(headers: IncomingHttpHeaders): Described & { readonly text: string | undefined } {
  const text = headers['upload-metadata'];
  if (text === undefined || text === '') return { ...describe(new Map()), text: undefined };
  const pairs = new Map<string, string>();
  if (typeof text !== 'string' || text.length > MAX_METADATA_CHARS) throw badMetadata(`must have at most ${MAX_METADATA_CHARS} characters`);
  for (const pair of text.split(',')) {
    const [name = '', encoded = '', ...rest] = pair.trim().split(' ');
    if (!/^[\x21-\x2b\x2d-\x7e]{1,100}$/.test(name) || rest.length > 0)
      throw badMetadata('must be pairs of a name and a value in base64, with commas between');
    if (pairs.has(name)) throw badMetadata('must name each key once');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw badMetadata('must have its values in base64');
    const value = Buffer.from(encoded, 'base64');
    // Values of other keys may be anything; ours are text.
    pairs.set(name, value.toString('utf8'));
  }
  return { ...describe(pairs), text };
}

/** The same of a query: `name`, and `start` as JSON; the type is the body's own. */
export function describeBody(
  query: { readonly name?: string | undefined; readonly start?: string | undefined },
  contentType: string | undefined,
): Described {
  const pairs = new Map<string, string>();
  if (query.name !== undefined) pairs.set('name', query.name);
  if (query.start !== undefined) pairs.set(START_KEY, query.start);
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  // What curl says when nobody said anything.
  if (type !== undefined && type !== '' && type !== 'application/octet-stream' && type !== 'application/x-www-form-urlencoded')
    pairs.set('type', type);
  return describe(pairs);
}

function describe(pairs: ReadonlyMap<string, string>): Described {
  const first = (keys: readonly string[]): string | undefined =>
    keys.map((key) => pairs.get(key)).find((value) => value !== undefined && value !== '');
  const name = first(NAME_KEYS);
  // Parameters such as a character set say nothing of what it is.
  const type = first(TYPE_KEYS)?.split(';')[0]?.trim().toLowerCase();
  return {
    name: name === undefined ? undefined : (parsePart(FileName, name, 'metadata/name') as string),
    declaredType: type === undefined || type === '' ? undefined : (parsePart(MediaType, type, 'metadata/type') as string),
    start: readStart(pairs.get(START_KEY)),
  };
}

function readStart(text: string | undefined): StartBody {
  if (text === undefined || text === '') return {};
  if (textFault(text) !== undefined || text.includes('__proto__')) throw badMetadata('holds a `start` that is not allowed');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badMetadata('holds a `start` that is no JSON');
  }
  // As the schema has just found.
  return parsePart(StartSchema, value, 'metadata/start') as StartBody;
}

function badMetadata(message: string): HttpProblem {
  return badHeader('upload-metadata', message);
}

export function badHeader(name: string, message: string): HttpProblem {
  return new HttpProblem('invalid_request', `The header ${name} ${message}.`, { errors: [{ pointer: `header/${name}`, message }] });
}
