import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Call } from './call.ts';
import type { Engine } from './engine.ts';
import { ApiError } from './errors.ts';
import { expand } from './expand.ts';
import { requestFault } from './faults.ts';
import type { RequestFault } from './faults.ts';
import { canonical, parseForm } from './form.ts';
import type { FormFields } from './form.ts';
import { newId } from './ids.ts';
import type { JournaledRequest } from './journal.ts';
import { Parameters } from './parameters.ts';
import { findRoute } from './routes.ts';
import type { Route } from './routes.ts';
import type { SavedAnswer } from './state.ts';
import { API_VERSION } from './work.ts';

/** Stripe may forget a key after a day. */
const KEY_LIFE_MS = 86_400_000;
const MAX_KEY = 255;
const MAX_COUNTED_KEYS = 20_000;
const SLOW_MS = 3_000;
const SERVER_ERROR = { error: { type: 'api_error', message: 'Sorry, something went wrong here (a simulated fault).' } };
const BAD_GATEWAY = { message: 'Bad Gateway' };

/** The keys of the simulated account. */
export interface TwinKeys {
  readonly secret: string;
  readonly publishable: string;
}

/** What of a request matters. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  /** The query of a GET, the body otherwise. */
  readonly form: string;
  readonly authorization: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly version: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What goes wrong on the way back. */
  readonly fault: RequestFault | undefined;
}

interface Begun {
  readonly request: ApiRequest;
  readonly requestId: string;
  readonly fields: FormFields;
  readonly access: Call['access'];
  readonly found: { readonly route: Route; readonly id: string };
  readonly key: string | undefined;
  readonly fault: RequestFault | undefined;
}

/** Stripe's API: who asks, what went before under this key, then the route, then the answer. */
export class Api {
  readonly #engine: Engine;
  readonly #keys: TwinKeys;
  readonly #baseUrl: string;
  readonly #inProgress = new Set<string>();
  readonly #attempts = new Map<string, number>();

  constructor(engine: Engine, keys: TwinKeys, baseUrl: string) {
    this.#engine = engine;
    this.#keys = keys;
    this.#baseUrl = baseUrl;
  }

  async serve(request: ApiRequest): Promise<Reply> {
    const requestId = newId('req', 14);
    try {
      return await this.#serveKey(this.#begin(request, requestId));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return replyOf({ requestId, status: error.status, body: JSON.stringify(error.body) });
    }
  }

  #begin(request: ApiRequest, requestId: string): Begun {
    const fields = parseForm(request.form);
    const access = this.#accessOf(request, fields);
    if (request.version !== undefined && request.version !== API_VERSION) {
      throw new ApiError(400, { type: 'invalid_request_error', message: `This simulator knows the API version ${API_VERSION} only.` });
    }
    const found = findRoute(request.method, request.path);
    if (found === undefined) {
      const message = `Unrecognized request URL (${request.method}: ${request.path}). The simulator may not have it.`;
      throw new ApiError(404, { type: 'invalid_request_error', message });
    }
    if (access === 'publishable' && !found.route.isPublic) {
      const message = 'This API call cannot be made with a publishable API key. Please use a secret API key.';
      throw new ApiError(401, { type: 'invalid_request_error', code: 'secret_key_required', message });
    }
    const key = request.method === 'POST' ? request.idempotencyKey : undefined;
    if (key !== undefined && key.length > MAX_KEY) {
      throw new ApiError(400, { type: 'invalid_request_error', message: `Idempotency keys have up to ${MAX_KEY} characters.` });
    }
    const attempt = this.#countAttempt(key);
    const fault = requestFault(this.#engine.faultPlan, { ...request, key: key ?? requestId, attempt });
    return { request, requestId, fields, access, found, key, fault };
  }

  async #serveKey(begun: Begun): Promise<Reply> {
    const { key, fault } = begun;
    if (fault?.kind === 'rate_limited') {
      const error = { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded (a simulated fault).' };
      return this.#record(begun, { ...replyOf({ ...begun, status: 429, body: JSON.stringify({ error }) }) }, { 'retry-after': '1' });
    }
    if (fault?.kind === 'bad_gateway') return this.#record(begun, replyOf({ ...begun, status: 502, body: JSON.stringify(BAD_GATEWAY) }));
    if (key === undefined) return this.#execute(begun);
    if (this.#inProgress.has(key)) {
      throw new ApiError(409, {
        type: 'invalid_request_error',
        code: 'idempotency_key_in_use',
        message: `There is currently another in-progress request using this idempotency key: ${key}. Please try again later.`,
      });
    }
    const saved = this.#engine.state.get('saved_answer', key);
    if (saved !== undefined && saved.savedAtMs > this.#engine.clock.nowMs() - KEY_LIFE_MS) return this.#replay(begun, saved);
    this.#inProgress.add(key);
    try {
      return await this.#execute(begun);
    } finally {
      this.#inProgress.delete(key);
    }
  }

  #replay(begun: Begun, saved: SavedAnswer): Promise<Reply> {
    if (saved.fingerprint !== fingerprintOf(begun)) {
      const message =
        saved.path === begun.request.path
          ? `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${saved.id}' if you meant to execute a different request.`
          : `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${begun.request.path}' vs '${saved.path}').`;
      throw new ApiError(400, { type: 'idempotency_error', message });
    }
    const reply = replyOf({ ...begun, status: saved.status, body: saved.body, fault: transportFault(begun.fault) });
    return this.#record(begun, reply, { 'idempotent-replayed': 'true' });
  }

  /** Nothing is answered before all of it is on disk. */
  async #execute(begun: Begun): Promise<Reply> {
    const { key, request, requestId, fault } = begun;
    const { work, answer, isKept } = this.#handle(begun);
    const isSpoilt = fault?.kind === 'error_500' || fault?.kind === 'error_500_after';
    const status = isSpoilt ? 500 : answer.status;
    const body = JSON.stringify(isSpoilt ? SERVER_ERROR : answer.body);
    if (key !== undefined && (isKept || isSpoilt)) {
      const savedAtMs = this.#engine.clock.nowMs();
      this.#forgetOldKeys(work);
      work.put('saved_answer', { id: key, fingerprint: fingerprintOf(begun), path: request.path, status, body, savedAtMs });
    }
    if (request.method !== 'GET') this.#engine.commit(work, { cause: 'request', request: this.#journaled(begun, status, false) });
    await this.#engine.flushed();
    if (fault?.kind === 'slow') await delay(fault.delayMs ?? SLOW_MS);
    if (fault?.kind === 'bad_gateway_after') return replyOf({ requestId, status: 502, body: JSON.stringify(BAD_GATEWAY) });
    return replyOf({ requestId, status, body, fault: transportFault(fault), headers: key === undefined ? {} : { 'idempotency-key': key } });
  }

  #handle(begun: Begun): { readonly work: ReturnType<Engine['begin']>; readonly answer: Answer; readonly isKept: boolean } {
    const { found, fields, access, requestId, key, fault } = begun;
    const origin = { requestId, idempotencyKey: key ?? null };
    const work = this.#engine.begin(origin);
    const parameters = new Parameters(fields);
    parameters.ignore('key');
    try {
      if (fault?.kind === 'error_500') return { work, answer: { status: 500, body: SERVER_ERROR }, isKept: true };
      const paths = parameters.texts('expand') ?? [];
      const answer = found.route.handler({ work, id: found.id, parameters, access, baseUrl: this.#baseUrl });
      return { work, answer: answer.status === 200 ? { ...answer, body: expand(work, answer.body, paths) } : answer, isKept: true };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const untouched = this.#engine.begin(origin);
      return { work: untouched, answer: { status: error.status, body: error.body }, isKept: error.hasBegun };
    }
  }

  async #record(begun: Begun, reply: Reply, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
    const isReplay = headers['idempotent-replayed'] !== undefined;
    this.#engine.commit(this.#engine.begin(), { cause: 'request', request: this.#journaled(begun, reply.status, isReplay) });
    await this.#engine.flushed();
    return { ...reply, headers: { ...reply.headers, ...headers } };
  }

  #journaled({ request, requestId, key, fault }: Begun, status: number, isReplay: boolean): JournaledRequest {
    const { method, path } = request;
    return { id: requestId, method, path, idempotencyKey: key ?? null, status, isReplay, fault: fault?.kind ?? null };
  }

  #accessOf({ authorization }: ApiRequest, fields: FormFields): Call['access'] {
    const given = keyOf(authorization) ?? (typeof fields['key'] === 'string' ? fields['key'] : undefined);
    if (given === this.#keys.secret) return 'secret';
    if (given === this.#keys.publishable) return 'publishable';
    const message =
      given === undefined
        ? 'You did not provide an API key.'
        : `Invalid API Key provided: ${given.slice(0, 8)}****. The simulator has keys of its own.`;
    throw new ApiError(401, { type: 'invalid_request_error', message });
  }

  #countAttempt(key: string | undefined): number {
    if (key === undefined) return 1;
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size > MAX_COUNTED_KEYS && oldest !== undefined) this.#attempts.delete(oldest);
    return attempt;
  }

  #forgetOldKeys(work: ReturnType<Engine['begin']>): void {
    const limitMs = this.#engine.clock.nowMs() - KEY_LIFE_MS;
    for (const saved of this.#engine.state.each('saved_answer')) {
      if (saved.savedAtMs > limitMs) return;
      work.remove('saved_answer', saved.id);
    }
  }
}

function fingerprintOf({ request, fields }: Begun): string {
  return `${request.method} ${request.path} ${canonical(fields)}`;
}

/** Those that happen after the answer was made. */
function transportFault(fault: RequestFault | undefined): RequestFault | undefined {
  return fault !== undefined && ['reply_lost', 'cut_body'].includes(fault.kind) ? fault : undefined;
}

function keyOf(authorization: string | undefined): string | undefined {
  const [scheme = '', value = ''] = authorization?.split(' ') ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  return scheme.toLowerCase() === 'basic' ? Buffer.from(value, 'base64').toString().split(':')[0] : undefined;
}

function replyOf(parts: {
  readonly requestId: string;
  readonly status: number;
  readonly body: string;
  readonly fault?: RequestFault | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}): Reply {
  const headers = { 'content-type': 'application/json', 'request-id': parts.requestId, 'stripe-version': API_VERSION, ...parts.headers };
  return { status: parts.status, headers, body: parts.body, fault: parts.fault };
}
