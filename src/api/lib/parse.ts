import type * as z from 'zod';
import type { FieldError } from '../../contracts/problems.ts';
import { textFault } from './json.ts';
import { HttpProblem } from './problems.ts';

const MAX_ERRORS = 20;
const MAX_SHOWN = 10;

/**
 * The query as an object: each name once, strictly decoded.
 * @throws {HttpProblem}
 */
export function parseQuery(url: string, allowed: readonly string[]): Record<string, string> {
  const start = url.indexOf('?');
  const query: Record<string, string> = {};
  if (start < 0 || start === url.length - 1) return query;
  for (const part of url.slice(start + 1).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodeQuery(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decodeQuery(part.slice(equals + 1));
    if (!allowed.includes(name))
      throw badParameter(name, allowed.length === 0 ? 'this route takes no query' : `is not one of ${allowed.join(', ')}`);
    if (Object.hasOwn(query, name)) throw badParameter(name, 'must be given once');
    const fault = textFault(value);
    if (fault !== undefined) throw badParameter(name, fault);
    query[name] = value;
  }
  return query;
}

/**
 * Checks a part of the request. `prefix` is what pointers begin with: empty for the body.
 * @throws {HttpProblem} naming every field that is wrong and what is allowed there
 */
export function parsePart(schema: z.ZodType, value: unknown, prefix: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => fieldErrors(issue, prefix)).slice(0, MAX_ERRORS);
  const first = errors[0];
  const summary = first === undefined ? 'The request does not fit.' : `${first.pointer || 'The body'} ${first.message}.`;
  throw new HttpProblem('invalid_request', errors.length > 1 ? `${summary} ${errors.length - 1} more in \`errors\`.` : summary, { errors });
}

function fieldErrors(issue: z.core.$ZodIssue, prefix: string): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: pointerOf([...issue.path, key], prefix), message: 'is not a field of this object' }));
  }
  if (issue.code === 'invalid_union') return [unionError(issue, prefix)];
  return [{ pointer: pointerOf(issue.path, prefix), message: messageOf(issue) }];
}

/** Of a union's branches, the one that came closest says what is wrong. */
function unionError(issue: z.core.$ZodIssueInvalidUnion, prefix: string): FieldError {
  const pointer = pointerOf(issue.path, prefix);
  const branches = issue.errors.filter((branch) => branch.length > 0);
  const deep = branches.find((branch) => branch.every((nested) => nested.code !== 'invalid_type' || nested.path.length > 0));
  const nested = deep?.[0];
  if (nested !== undefined)
    return fieldErrors({ ...nested, path: [...issue.path, ...nested.path] }, prefix)[0] ?? { pointer, message: 'is not allowed' };
  if (issue.discriminator !== undefined) {
    const options = 'options' in issue && Array.isArray(issue.options) ? issue.options : [];
    return { pointer, message: `must be one of ${options.map(String).join(', ')}` };
  }
  if (branches.length > 0 && branches.every((branch) => branch.every((one) => messageOf(one) === 'is required')))
    return { pointer, message: 'is required' };
  const wanted = branches.flatMap((branch) => branch.map(messageOf)).map((text) => text.replace(/^must be /, ''));
  return { pointer, message: wanted.length === 0 ? 'is not allowed' : `must be ${[...new Set(wanted)].join(' or ')}` };
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is required' : `must be ${withArticle(issue.expected)}`;
    case 'invalid_value': {
      const shown = issue.values.slice(0, MAX_SHOWN).map(String).join(', ');
      return issue.values.length === 1 ? `must be ${shown}` : `must be one of ${shown}`;
    }
    case 'too_small':
    case 'too_big':
      return sizeMessage(issue);
    case 'invalid_format':
      return issue.message.startsWith('Invalid') ? `must be ${formatName(issue.format)}` : issue.message;
    case 'invalid_key':
      return `has a name that is not allowed: ${issue.issues.map(messageOf).join(', ')}`;
    default:
      return issue.message;
  }
}

function sizeMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const [limit, bound] = issue.code === 'too_small' ? ([issue.minimum, 'at least'] as const) : ([issue.maximum, 'at most'] as const);
  const unit = issue.origin === 'string' ? 'character' : issue.origin === 'array' ? 'entry' : undefined;
  if (unit === undefined) return `must be ${bound} ${limit}`;
  return `must have ${bound} ${limit} ${Number(limit) === 1 ? unit : unit === 'entry' ? 'entries' : `${unit}s`}`;
}

function withArticle(type: string): string {
  if (type === 'int') return 'a whole number';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function formatName(format: string): string {
  if (format === 'datetime') return 'an instant in ISO 8601 such as 2026-11-24T22:00:00Z';
  return format === 'uuid' ? 'a UUID' : `a valid ${format}`;
}

function pointerOf(path: readonly PropertyKey[], prefix: string): string {
  const body = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return prefix === '' ? body : `${prefix}${body}`;
}

function badParameter(name: string, message: string): HttpProblem {
  const shown = textFault(name) === undefined ? name.slice(0, 64) : 'a name';
  return new HttpProblem('invalid_request', `query/${shown} ${message}.`, { errors: [{ pointer: `query/${shown}`, message }] });
}

function decodeQuery(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new HttpProblem('malformed_url');
  }
}
