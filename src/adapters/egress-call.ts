import { isIP } from 'node:net';

import { checkAddresses, checkTarget } from './egress-check.ts';
import type { EgressPolicy, Target } from './egress-check.ts';
import { reachAny } from './egress-connect.ts';
import type { Connection, Connector, Resolver } from './egress-connect.ts';
import { EgressAbortedError, EgressConnectError, EgressRefusedError, EgressTimeoutError, explainEgressError } from './egress-errors.ts';
import type { ConnectPhase, EgressError, Sent } from './egress-errors.ts';

/** Beyond this a timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How the outside is reached, the same for all calls. */
export interface Ways {
  readonly policy: EgressPolicy;
  readonly resolve: Resolver;
  readonly connect: Connector;
}

/** What bounds one call. */
export interface CallLimits {
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly beforeSend?: (() => Promise<number>) | undefined;
}

/** One call from its first check to the end of its reply, over all redirects: its clock, its connection, and what became of it. */
export class EgressCall {
  sent: Sent = 'no';
  status: number | undefined;
  readonly #ways: Ways;
  readonly #limits: CallLimits;
  readonly #stop = new AbortController();
  readonly #failure = Promise.withResolvers<never>();
  readonly #timer: NodeJS.Timeout;
  #deadlineTimer: NodeJS.Timeout | undefined;
  #connection: Connection | undefined;
  #phase: ConnectPhase = 'dns';
  /** What ended the call; errors that come of its ending count no more. */
  #ending: EgressError | undefined;
  #onEnding: ((error: EgressError) => void) | undefined;
  /** In ms of `performance.now()`; undefined until the gate was passed. */
  #until: number | undefined;

  constructor(ways: Ways, limits: CallLimits) {
    this.#ways = ways;
    this.#limits = limits;
    // Nobody may be waiting when it comes.
    this.#failure.promise.catch(() => undefined);
    this.#timer = setTimeout(() => this.fail(new EgressTimeoutError('total', this)), Math.min(limits.timeoutMs, MAX_TIMER_MS));
    limits.signal?.addEventListener('abort', this.#onAbort);
    if (limits.signal?.aborted === true) this.#onAbort();
  }

  readonly #onAbort = (): void => this.fail(new EgressAbortedError(this));

  /** The step's result, or the failure that came first. */
  race<T>(step: Promise<T>): Promise<T> {
    return Promise.race([this.#failure.promise, step]);
  }

  /** Ends the call, whatever it is doing. */
  fail(error: EgressError): void {
    this.#ending ??= error;
    this.#failure.reject(this.#ending);
    this.#onEnding?.(this.#ending);
    this.close();
  }

  /** For whoever waits for something else than a step: the reader of the body. */
  onEnding(listener: (error: EgressError) => void): void {
    this.#onEnding = listener;
    if (this.#ending !== undefined) listener(this.#ending);
  }

  /** Lets go of everything; the connection is never used again. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#deadlineTimer);
    this.#limits.signal?.removeEventListener('abort', this.#onAbort);
    this.#stop.abort();
    this.dropConnection();
  }

  dropConnection(): void {
    this.#connection?.cut();
    this.#connection = undefined;
  }

  /** Any error as what the caller gets: ours as it is, one of the gate as it is, one of the connection with how far the call had come. */
  explain(error: unknown): unknown {
    if (error instanceof GateError) return error.cause;
    return this.#ending ?? explainEgressError(error) ?? new EgressConnectError(this.#phase, error, this);
  }

  /** Checks where a hop goes and connects to it. `previous` is the hop whose reply led here. */
  async reach(url: string, previous?: Target): Promise<{ readonly target: Target; readonly connection: Connection }> {
    this.#phase = 'dns';
    this.status = undefined;
    const target = checkTarget(url, this.#ways.policy, this.sent);
    if (previous !== undefined) this.#checkRedirect(previous, target);
    const addresses = await this.race(this.#resolve(target.hostName));
    checkAddresses(target, addresses, this.sent);
    this.#phase = 'connect';
    const connection = await this.#connect(target, addresses);
    this.#connection = connection;
    return { target, connection };
  }

  /** An address is its own answer; a library's look-up would not be asked for it, and so could not check it. */
  async #resolve(hostName: string): Promise<readonly string[]> {
    if (isIP(hostName) !== 0) return [hostName];
    const addresses = await this.#ways.resolve(hostName);
    if (addresses.length === 0) throw new Error('the name has no address');
    return addresses;
  }

  #connect({ hostName, port, isTls }: Target, addresses: readonly string[]): Promise<Connection> {
    const { signal } = this.#stop;
    const timeoutMs = this.#limits.connectTimeoutMs;
    const reached = reachAny(this.#ways.connect, { addresses, port, isTls, hostName, signal, timeoutMs, sent: this.sent });
    // One that is made too late is nobody's.
    void reached.then(
      ({ cut }) => signal.aborted && cut(),
      () => undefined,
    );
    return this.race(reached);
  }

  /** Inner hosts are for those who name them, not for a party outside that answers with their address. */
  #checkRedirect(previous: Target, target: Target): void {
    if (target.isInner && !previous.isInner) throw new EgressRefusedError('redirect_target', this);
    if (previous.isTls && !target.isTls) throw new EgressRefusedError('redirect_downgrade', this);
  }

  /** Asks the caller, before the first hop only, whether and until when may be written. */
  async passGate(): Promise<void> {
    const { beforeSend } = this.#limits;
    if (beforeSend === undefined || this.#until !== undefined) return;
    try {
      this.#until = await this.race(beforeSend());
    } catch (error) {
      throw explainEgressError(error) ?? new GateError('the gate is closed', { cause: error });
    }
    const leftMs = this.#until - performance.now();
    if (leftMs > 0) {
      this.#deadlineTimer = setTimeout(() => this.fail(new EgressTimeoutError('deadline', this)), Math.min(leftMs, MAX_TIMER_MS));
    }
  }

  /**
   * To be called in the tick that writes the first byte. A process that was stopped comes back with its timers late, so the clock is asked.
   * @throws {EgressTimeoutError} when the deadline has passed, also when it is no number
   * @throws {EgressError} what ended the call meanwhile
   */
  enterExchange(): void {
    if (this.#ending !== undefined) throw this.#ending;
    this.#phase = 'exchange';
    if (this.#until !== undefined && !(performance.now() < this.#until)) throw new EgressTimeoutError('deadline', this);
    this.sent = 'maybe';
  }
}

/** Carries what `beforeSend` rejected with past everything that explains errors. */
class GateError extends Error {
  override readonly name = 'GateError';
}
