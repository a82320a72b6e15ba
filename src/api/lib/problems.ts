import type { Request, Response } from 'express';
import { PROBLEMS, type FieldError, type Problem, type ProblemCode } from '../../contracts/problems.ts';
import type { Quote } from '../../contracts/checkout/quotes.ts';
import type { ApiContext } from './context.ts';

const RETRY_AFTER_SECONDS = 2;

export interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the cart that the problem is about. */
  readonly quote?: Quote;
}

/** Thrown anywhere in a request; becomes the answer. `detail` says what happened here, and never holds text from inside. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, detail?: string, extras: ProblemExtras = {}) {
    super(detail ?? PROBLEMS[code].why);
    this.code = code;
    this.extras = extras;
  }
}

/** What an error means to the caller. Only an `HttpProblem` has words of its own; all others get ours. */
export function toProblem(error: unknown, isUnavailable: ApiContext['isUnavailable']): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof URIError) return new HttpProblem('malformed_url');
  if (isUnavailable(error)) {
    return new HttpProblem('unavailable', 'The database can not be reached right now. Nothing was lost; send the request again.', {
      headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
    });
  }
  return new HttpProblem('internal');
}

/** The body of a problem answer. */
export function problemBody(problem: HttpProblem, publicUrl: string, requestId: string): Problem {
  const { status, title, retryable } = PROBLEMS[problem.code];
  return {
    type: `${publicUrl}/problems/${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.message,
    retryable,
    requestId,
    ...(problem.extras.errors === undefined ? {} : { errors: [...problem.extras.errors] }),
    ...(problem.extras.quote === undefined ? {} : { quote: problem.extras.quote }),
  };
}

/** Last in the chain: answers every error, and logs those that are ours. */
export function answerProblem(ctx: ApiContext, error: unknown, exchange: { readonly request: Request; readonly response: Response }): void {
  const { request, response } = exchange;
  const problem = toProblem(error, ctx.isUnavailable);
  if (problem.code === 'internal') ctx.log.error({ err: error, requestId: requestIdOf(response) }, 'request failed');
  if (problem.code === 'unavailable') ctx.log.warn({ err: error, requestId: requestIdOf(response) }, 'database away');
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(problem.extras.headers ?? {})) response.setHeader(name, value);
  const body = JSON.stringify(problemBody(problem, ctx.http.publicUrl, requestIdOf(response)));
  response.statusCode = PROBLEMS[problem.code].status;
  response.setHeader('Content-Type', 'application/problem+json');
  response.setHeader('Cache-Control', 'no-store');
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Given to every request at its start. */
export function requestIdOf(response: Response): string {
  return String(response.getHeader('X-Request-Id'));
}
