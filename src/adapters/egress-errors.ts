/** Whether the other side may have got the request: 'no' means that not one byte of it was written, so it may be made again. */
export type Sent = 'no' | 'maybe';

/**
 * Why a request was not made. `address`: the URL names an address that is not public; `dns`: its name leads to one. The others name the
 * part of the request that breaks a rule, or the rule that a redirect breaks.
 */
export type RefusalReason =
  | 'url'
  | 'scheme'
  | 'port'
  | 'credentials'
  | 'address'
  | 'dns'
  | 'method'
  | 'header'
  | 'redirect_limit'
  | 'redirect_target'
  | 'redirect_downgrade';

/** How far a request had come when it ended without a reply. */
interface Progress {
  readonly sent: Sent;
  /** HTTP status, where the status line had arrived. */
  readonly status: number | undefined;
}

/** What all errors of the egress adapter have; messages carry neither URLs nor content. */
abstract class EgressBaseError extends Error {
  readonly sent: Sent;
  readonly status: number | undefined;

  constructor(message: string, progress: Progress, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.sent = progress.sent;
    this.status = progress.status;
  }
}

const REFUSALS: Readonly<Record<RefusalReason, string>> = {
  url: 'It is not a valid URL, or longer than 8,192 characters.',
  scheme: 'Only https is allowed.',
  port: 'Only the ports 80, 443 and 8443 are allowed.',
  credentials: 'A URL must not carry a user name or a password.',
  address: 'The address is not public.',
  dns: 'The name leads to an address that is not public.',
  method: 'The method is not allowed.',
  header: 'A header has an invalid name or value, or is one that the connection sets itself.',
  redirect_limit: 'There were too many redirects.',
  redirect_target: 'A redirect leads to an inner host.',
  redirect_downgrade: 'A redirect leads from https to http.',
};

/** A rule forbids the request. Final: the same request is refused again, except that a name may lead elsewhere later. */
export class EgressRefusedError extends EgressBaseError {
  override readonly name = 'EgressRefusedError';
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, progress: Progress) {
    super(`The request was refused. ${REFUSALS[reason]}`, progress);
    this.reason = reason;
  }
}

/** Which limit ran out: the time to connect, the time for all, or the caller's deadline for writing. */
export type TimeoutLimit = 'connect' | 'total' | 'deadline';

/** The other side was too slow. */
export class EgressTimeoutError extends EgressBaseError {
  override readonly name = 'EgressTimeoutError';
  readonly limit: TimeoutLimit;

  constructor(limit: TimeoutLimit, progress: Progress) {
    super(`The other side was too slow (${limit}).`, progress);
    this.limit = limit;
  }
}

/** The body of the reply is larger than allowed; `status` tells what the other side made of the request. */
export class EgressTooLargeError extends EgressBaseError {
  override readonly name = 'EgressTooLargeError';

  constructor(maxBytes: number, progress: Progress) {
    super(`The reply is larger than ${maxBytes} bytes.`, progress);
  }
}

/** Where it broke: looking the name up, connecting (TLS included), or between the request and the end of the reply. */
export type ConnectPhase = 'dns' | 'connect' | 'exchange';

/** The other side can't be reached, or the connection broke, or what came over it was no HTTP. */
export class EgressConnectError extends EgressBaseError {
  override readonly name = 'EgressConnectError';
  readonly phase: ConnectPhase;
  /** The system's code: `ECONNREFUSED`, `ENOTFOUND`, `CERT_HAS_EXPIRED`, `HPE_HEADER_OVERFLOW`. */
  readonly code: string | undefined;

  constructor(phase: ConnectPhase, cause: unknown, progress: Progress) {
    const code = codeOf(cause);
    super(`The connection failed (${phase}${code === undefined ? '' : `, ${code}`}).`, progress, cause);
    this.phase = phase;
    this.code = code;
  }
}

/** The caller's signal ended it. */
export class EgressAbortedError extends EgressBaseError {
  override readonly name = 'EgressAbortedError';

  constructor(progress: Progress) {
    super('The request was given up.', progress);
  }
}

/** Everything that the adapter throws of its own accord; tell them apart by `name`. */
export type EgressError = EgressRefusedError | EgressTimeoutError | EgressTooLargeError | EgressConnectError | EgressAbortedError;

/** The error as one of ours; undefined when it is something else, such as the rejection of `beforeSend`. */
export function explainEgressError(error: unknown): EgressError | undefined {
  const isOurs =
    error instanceof EgressRefusedError ||
    error instanceof EgressTimeoutError ||
    error instanceof EgressTooLargeError ||
    error instanceof EgressConnectError ||
    error instanceof EgressAbortedError;
  return isOurs ? error : undefined;
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
}
