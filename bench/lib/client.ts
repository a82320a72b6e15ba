import { Agent, request } from 'node:http';

/** What an answer was, and when. */
export interface Timed {
  readonly status: number;
  readonly text: string;
  /** `performance.now()` as the request was written. */
  readonly sentAt: number;
  /** Until the head of the answer. */
  readonly tookMs: number;
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** An HTTP client over a given number of kept connections, which measures at the socket. */
export class TimedClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;

  constructor(base: string, { connections, apiKey }: { readonly connections: number; readonly apiKey?: string }) {
    this.#base = base;
    this.#headers = apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  async call({ method, path, headers, body }: Call): Promise<Timed> {
    const { promise, resolve, reject } = Promise.withResolvers<Timed>();
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const given = payload === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(payload)) };
    const sent = request(`${this.#base}${path}`, { method, agent: this.#agent, headers: { ...this.#headers, ...given, ...headers } });
    sent.on('error', reject);
    const sentAt = performance.now();
    sent.on('response', (answer) => {
      const tookMs = performance.now() - sentAt;
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, sentAt, tookMs }));
      answer.on('error', reject);
    });
    sent.end(payload);
    return promise;
  }

  /** @throws {Error} when the answer is not 2xx */
  async expectOk(call: Call): Promise<Timed> {
    const answer = await this.call(call);
    if (answer.status < 200 || answer.status > 299) throw new Error(`${call.method} ${call.path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Runs `count` tasks, so many at once. */
export async function inParallel(count: number, atOnce: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
