import { once } from 'node:events';
import type { Response } from 'express';
import type { StreamEvent, StreamRead } from '../../store/streams.ts';
import type { ApiContext } from './context.ts';
import { createLatch } from './latch.ts';
import { HttpProblem } from './problems.ts';
import type { RawReply, TenantCaller } from './route.ts';

const RECONNECT_MS = 1000;
const HEARTBEAT_MS = 15_000;
/** Together with the half second that a key look-up may be old, a revoked key ends its streams within a second. */
const KEY_CHECK_MS = 400;
const PROGRESS_GAP_MS = 250;
/** The hub calls every 5 s; this is for a hub that doesn't. */
const IDLE_READ_MS = 30_000;
const RETRY_READ_MS = 1000;

interface StreamRequest {
  readonly streamId: string;
  readonly auth: TenantCaller;
  /** The last event that the client has. */
  readonly after: number;
}

/**
 * Server-sent events of one stream, from behind `after` to its end. Stored events carry their number as id, so a client that comes back
 * loses none and gets none twice; progress is a last value and has none.
 * @throws {HttpProblem} not_found
 */
export async function openEventStream(ctx: ApiContext, request: StreamRequest): Promise<RawReply | { readonly status: 204 }> {
  const first = await ctx.store.streams.read(request.auth.tenantId, request.streamId, request.after);
  if (first === undefined) throw new HttpProblem('not_found');
  // 204 tells an EventSource that it need not come back.
  if (first.ended && request.after >= first.seq) return { status: 204 };
  return { send: ({ response }) => run(ctx, request, response) };
}

/**
 * The number in `Last-Event-ID`, which a reconnecting browser sends, or in the query, for clients that can set no header.
 * @throws {HttpProblem} when it is no number of ours
 */
export function readLastEventId(header: string | undefined, query: string | undefined): number {
  const text = header ?? query ?? '';
  if (text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const message = 'must be the id of an event of this stream';
  throw new HttpProblem('invalid_request', `Last-Event-ID ${message}.`, { errors: [{ pointer: 'header/last-event-id', message }] });
}

async function run(ctx: ApiContext, request: StreamRequest, response: Response): Promise<void> {
  const closed = new AbortController();
  response.once('close', () => closed.abort('closed'));
  const guard = createGuard(ctx, request.auth);
  const stop = AbortSignal.any([closed.signal, ctx.shuttingDown, guard.signal]);
  const latch = createLatch();
  const unsubscribe = ctx.hub.subscribe({ tenantId: request.auth.tenantId, id: request.streamId }, latch.raise);
  const heartbeat = setInterval(() => void (response.writableNeedDrain || response.write(': heartbeat\n\n')), HEARTBEAT_MS);
  try {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    response.write(`retry: ${RECONNECT_MS}\n\n`);
    const writer = createWriter(response, request.after, stop);
    while (!stop.aborted) {
      const seen = await look(ctx, request, writer.after());
      const waitMs = seen === undefined ? RETRY_READ_MS : await writer.write(seen);
      if (seen?.ended === true) break;
      await latch.wait(waitMs, stop);
    }
    // To a client that reads nothing, nothing can be said either.
    if (stop.aborted && response.writableNeedDrain) response.destroy();
    else if (stop.aborted) response.write(formatEnd(ctx.shuttingDown.aborted ? 'shutdown' : String(guard.signal.reason)));
  } finally {
    unsubscribe();
    guard.stop();
    clearInterval(heartbeat);
    response.end();
  }
}

/** While the database is away the stream stays open and looks again. */
async function look(ctx: ApiContext, request: StreamRequest, after: number): Promise<StreamRead | undefined> {
  try {
    return await ctx.store.streams.read(request.auth.tenantId, request.streamId, after);
  } catch (error) {
    if (ctx.isUnavailable(error)) return undefined;
    throw error;
  }
}

/** Looks at the key again and again; the signal's reason says why it is good no more. */
function createGuard(ctx: ApiContext, auth: TenantCaller): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const timer = setInterval(() => {
    ctx.store.system.apiKeys.recheck(auth.keyId, ctx.clock()).then(
      (verdict) => {
        if (verdict.outcome !== 'valid') controller.abort(verdict.outcome === 'expired' ? 'expired' : 'revoked');
      },
      // Without a database nothing can be sent either.
      () => undefined,
    );
  }, KEY_CHECK_MS);
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}

/** Writes no faster than the client reads: what piles up meanwhile stays in the database, and of progress only the last is sent. */
function createWriter(response: Response, startAfter: number, stop: AbortSignal) {
  let after = startAfter;
  let lastProgress = '';
  let progressAt = -PROGRESS_GAP_MS;

  async function send(text: string): Promise<void> {
    if (stop.aborted || response.write(text)) return;
    await once(response, 'drain', { signal: stop }).catch(() => undefined);
  }

  /** Sends what was read. Returns how long to wait at most for the next look. */
  async function write(read: StreamRead): Promise<number> {
    for (const event of read.events) {
      if (stop.aborted) return 0;
      await send(format(event));
      after = event.seq;
    }
    if (read.progress === null || read.ended) return IDLE_READ_MS;
    const progress = JSON.stringify(read.progress);
    if (progress === lastProgress) return IDLE_READ_MS;
    const waitMs = progressAt + PROGRESS_GAP_MS - performance.now();
    if (waitMs > 0) return waitMs;
    await send(`event: progress\ndata: ${progress}\n\n`);
    lastProgress = progress;
    progressAt = performance.now();
    return IDLE_READ_MS;
  }

  return { after: () => after, write };
}

/** Expiry has a name of its own: the page that sees it fetches a new token rather than coming back with the old one. */
function formatEnd(reason: string): string {
  return `event: ${reason === 'expired' ? 'expired' : 'end'}\ndata: ${JSON.stringify({ reason })}\n\n`;
}

function format(event: StreamEvent): string {
  const data = JSON.stringify({ ...event.data, at: event.createdAt });
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${data}\n\n`;
}
