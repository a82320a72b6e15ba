import * as z from 'zod';
import { CHECKOUT_PROBLEMS } from './checkout/problems.ts';
import { Quote } from './checkout/quotes.ts';
import { FILE_PROBLEMS } from './files/problems.ts';

/** One error that the API answers with. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
  readonly why: string;
  readonly fix: string;
}

/** Every error that the API answers with, named once: answers, the pages at /problems/{code} and docs/errors.md are made from it. */
export const PROBLEMS = {
  invalid_request: {
    status: 400,
    title: 'The request does not fit the schema',
    retryable: false,
    why: 'A field, parameter or header is missing, unknown or has a value that is not allowed.',
    fix: 'Look at `errors`: each entry points at one field and says what is allowed there. The schema is in /openapi.json.',
  },
  malformed_json: {
    status: 400,
    title: 'The body is not JSON',
    retryable: false,
    why: 'The body could not be read as JSON text in UTF-8, or it is nested too deeply.',
    fix: 'Send one JSON value in UTF-8, nested at most 32 levels deep.',
  },
  malformed_url: {
    status: 400,
    title: 'The URL is not well-formed',
    retryable: false,
    why: 'The path or the query holds a percent-encoding that is not valid UTF-8.',
    fix: 'Encode each path segment and query value as UTF-8 (encodeURIComponent in JavaScript).',
  },
  malformed_request: {
    status: 400,
    title: 'The request is not HTTP',
    retryable: false,
    why: 'The request line, a header or the framing of the body breaks the rules of HTTP/1.1.',
    fix: 'Use an HTTP client library, and look at what a proxy in between changes.',
  },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not one of ours',
    retryable: false,
    why: 'The value of `cursor` was not given out by this list.',
    fix: 'Pass `nextCursor` of the page before as it is, or leave `cursor` out to start at the newest.',
  },
  tenant_required: {
    status: 400,
    title: 'No tenant was named',
    retryable: false,
    why: 'A platform key belongs to no tenant, so the request must say for which one it acts.',
    fix: 'Send the header `Nightshift-Tenant: {tenant id}`.',
  },
  unauthenticated: {
    status: 401,
    title: 'No valid key',
    retryable: false,
    why: 'The key or token is missing, malformed, unknown, revoked or expired.',
    fix: 'Send `Authorization: Bearer ns_…` with a key that is still valid. `npm start` writes a first one to .data/api-key.',
  },
  insufficient_scope: {
    status: 403,
    title: 'The key may not do this',
    retryable: false,
    why: 'The key is valid, but none of its scopes covers this request.',
    fix: 'Use a key with one of the scopes that `detail` names, or have one made by POST /v1/api-keys.',
  },
  platform_key_required: {
    status: 403,
    title: 'Only a platform key may do this',
    retryable: false,
    why: 'Tenants are managed, and other tenants are acted for, by platform keys only.',
    fix: 'Use a platform key (`npm start` writes one to .data/platform-key), or leave the header `Nightshift-Tenant` out.',
  },
  key_required: {
    status: 403,
    title: 'Only a key may do this',
    retryable: false,
    why: 'The request came with the token of an end user, or with a session, and this is for keys.',
    fix: 'Send it from your server, with an API key.',
  },
  loopback_only: {
    status: 403,
    title: 'Only from this machine',
    retryable: false,
    why: 'Links to our own pages are given to callers on the same machine only.',
    fix: 'Ask at http://127.0.0.1 on the machine that the server runs on.',
  },
  not_found: {
    status: 404,
    title: 'There is no such object',
    retryable: false,
    why: 'No object of your tenant has this id. An id of another tenant looks the same.',
    fix: 'Check the id, and that the key belongs to the right tenant.',
  },
  route_not_found: {
    status: 404,
    title: 'There is no such route',
    retryable: false,
    why: 'No route has this path.',
    fix: 'Check the path, its prefix /v1 and its spelling. All routes are at /docs and in /openapi.json.',
  },
  feature_off: {
    status: 404,
    title: 'This feature is switched off',
    retryable: false,
    why: 'The setting FEATURES of this server leaves the feature out.',
    fix: 'Add the feature to FEATURES and restart, or ask who runs the server.',
  },
  unknown_signal: {
    status: 404,
    title: 'The kind has no such signal',
    retryable: false,
    why: 'Each kind of operation understands its own signals only.',
    fix: 'Use one of the signals that `detail` names.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The route has no such method',
    retryable: false,
    why: 'The path exists, but not with this method.',
    fix: 'Use one of the methods in the header `Allow`.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    retryable: true,
    why: 'The headers or the body were not complete in time.',
    fix: 'Send it again; on a slow line, send less at once.',
  },
  operation_finished: {
    status: 409,
    title: 'The operation has already finished',
    retryable: false,
    why: 'It reached a terminal status, which never changes.',
    fix: 'Read it by GET /v1/operations/{id}; to do the work again, POST …/retry.',
  },
  operation_not_finished: {
    status: 409,
    title: 'The operation has not finished',
    retryable: true,
    why: 'Only an operation in a terminal status can be retried.',
    fix: 'Wait until it has finished, or cancel it first.',
  },
  operation_not_started: {
    status: 409,
    title: 'The operation has not started',
    retryable: true,
    why: 'Its workflow is not running yet, so there is nobody to tell.',
    fix: 'Send it again once the operation is running.',
  },
  operation_not_scheduled: {
    status: 409,
    title: 'The operation is not waiting for its start',
    retryable: false,
    why: 'Only an operation with the status `scheduled` can be moved in time.',
    fix: 'Read it by GET /v1/operations/{id}.',
  },
  operation_succeeded: {
    status: 409,
    title: 'The operation has succeeded',
    retryable: false,
    why: 'What has succeeded is not done again by a retry.',
    fix: 'Start a new operation to do the work once more.',
  },
  operation_superseded: {
    status: 409,
    title: 'A later attempt exists',
    retryable: false,
    why: 'This operation has been retried already; only the latest attempt can be retried.',
    fix: 'Retry the latest attempt: GET /v1/operations lists it with the same `rootId`.',
  },
  already_done: {
    status: 409,
    title: 'What you want to change has been done',
    retryable: false,
    why: 'An effect of the first attempt (a mail, a payment) happened with the old input and can not be taken back.',
    fix: 'Retry without `input`, or start a new operation.',
  },
  ...CHECKOUT_PROBLEMS,
  payload_too_large: {
    status: 413,
    title: 'The body is too large',
    retryable: false,
    why: 'The body has more bytes than this route takes.',
    fix: 'Send less at once; `detail` names the limit.',
  },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    retryable: false,
    why: 'The headers together are larger than 16 KiB.',
    fix: 'Send fewer or shorter headers.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body has the wrong type',
    retryable: false,
    why: 'Bodies are JSON in UTF-8, without compression.',
    fix: 'Send `Content-Type: application/json`, and no `Content-Encoding`.',
  },
  idempotency_key_required: {
    status: 400,
    title: 'The request needs an Idempotency-Key',
    retryable: false,
    why: 'It moves money. Without a key nobody can tell a request that is repeated, since its answer was lost, from a second one.',
    fix: 'Send `Idempotency-Key` with a value of your own, such as the number of the case; repeat the request with the same one.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'The idempotency key was used for something else',
    retryable: false,
    why: 'The same `Idempotency-Key` came before with another method, path or body.',
    fix: 'Use a new key for a new request; repeat a request with its key and body unchanged.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    retryable: true,
    why: 'The key, or without one the address, has used up its requests for this minute.',
    fix: 'Wait as long as `Retry-After` says. The headers `RateLimit` and `RateLimit-Policy` tell how much is left.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong on our side',
    retryable: false,
    why: 'A fault that nobody foresaw. It has been logged under the request id.',
    fix: 'Read the state before you send it again; with an `Idempotency-Key` repeating is safe. Tell who runs the server the `requestId`.',
  },
  unavailable: {
    status: 503,
    title: 'Not available right now',
    retryable: true,
    why: 'The database can not be reached, or the server is stopping.',
    fix: 'Send it again after `Retry-After`, with the same `Idempotency-Key`.',
  },
  ...FILE_PROBLEMS,
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Whether this text names a problem, which makes it one of the pages. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

const FieldError = z.object({
  pointer: z.string().meta({ description: 'JSON Pointer into the body, or `query/…`, `header/…`, `path/…`.', example: '/to/0' }),
  message: z.string().meta({ example: 'must be one e-mail address' }),
});
export type FieldError = z.infer<typeof FieldError>;

/** RFC 9457: what every error answer looks like. */
export const Problem = z
  .object({
    type: z
      .url()
      .meta({ description: 'A page that says what happened, why, and what to do.', example: 'http://127.0.0.1:7400/problems/not_found' }),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(PROBLEMS)).meta({ id: 'ProblemCode', description: 'Decide by this, never by a text.' }),
    detail: z.string(),
    retryable: z.boolean().meta({ description: 'Whether the same request may succeed later without a change.' }),
    requestId: z.string(),
    errors: z.array(FieldError).optional(),
    quote: Quote.optional().meta({ description: 'What the cart costs now.' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
