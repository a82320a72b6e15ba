import type { Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { PartialWriter, Segment } from '../../adapters/partials.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { UploadRow } from '../../store/files/records.ts';
import type { Released } from '../../store/files/locks.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { TenantCaller } from '../lib/route.ts';
import type { Checksum } from './checksum.ts';
import type { RunningHashes } from './running-hashes.ts';

/** A dead process holds up its uploads for this long. */
export const LEASE_MS = 6_000;
const TICK_MS = 1_500;
const IDLE_LIMIT_MS = 60_000;
/** Bytes that are written by one call; as many again may come in meanwhile. */
const BATCH_BYTES = 1024 * 1024;

export interface Receiving {
  readonly auth: TenantCaller;
  /** As it was locked. */
  readonly upload: UploadRow;
  readonly lock: string;
  /** The request is the first to say how long the upload is. */
  readonly isLengthNew: boolean;
  readonly request: IncomingMessage;
  readonly checksum: Checksum | undefined;
  /** The body must be whole: what came of one that breaks off is not kept. */
  readonly isAllOrNothing: boolean;
}

/** How an upload stands after a request that was not in vain. */
type Kept = Extract<Released, { readonly upload: UploadRow }>;

/** Why a request was stopped from our side. */
type Stop = 'lost' | 'quota' | 'released' | 'idle' | 'stopping' | 'too_large';

/**
 * Receives the body of one request: writes it behind what is there, acknowledges what is on disk now and then, and gives the lock back. The
 * lock is a fence: when it is somebody else's by now, nothing more is acknowledged, and what was written lies in a file of our own.
 */
export class Receiver {
  readonly #ctx: ApiContext;
  readonly #order: Receiving;
  readonly #hashes: RunningHashes;
  readonly #limitBytes: number;
  readonly #hash: Hash | undefined;
  /** Bytes that came and are not being written yet. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();
  #receivedBytes: number;
  #writtenBytes: number;
  #committedBytes: number;
  #stop: Stop | undefined;
  #lastChunkAt = performance.now();
  #ticking: Promise<void> = Promise.resolve();
  #isTicking = false;

  constructor(ctx: ApiContext, hashes: RunningHashes, order: Receiving) {
    const { upload, checksum } = order;
    this.#ctx = ctx;
    this.#hashes = hashes;
    this.#order = order;
    this.#limitBytes = upload.length_bytes ?? ctx.files.maxBytes;
    this.#receivedBytes = upload.offset_bytes;
    this.#writtenBytes = upload.offset_bytes;
    this.#committedBytes = upload.offset_bytes;
    const hash = hashes.take(upload.id, upload.offset_bytes);
    // A body that turns out wrong must not have gone into it.
    this.#hash = checksum === undefined ? hash : hash?.copy();
    if (checksum !== undefined && hash !== undefined) this.#keepFor = hash;
  }

  #keepFor: Hash | undefined;

  /**
   * Resolves to how the upload stands afterwards.
   * @throws {HttpProblem} when nothing or not all of the body was kept
   */
  async run(): Promise<Kept> {
    const { upload } = this.#order;
    const segment = upload.segments.at(-1);
    if (segment === undefined) throw new Error('a locked upload has no segment');
    const writer = await this.#ctx.storage.partials.open(upload.id, segment satisfies Segment);
    const timer = setInterval(() => this.#tick(writer), TICK_MS);
    const onStopping = (): void => this.#stopFor('stopping');
    this.#ctx.shuttingDown.addEventListener('abort', onStopping, { once: true });
    try {
      const fault = await this.#receive(writer).catch((error: unknown) => error);
      clearInterval(timer);
      await this.#ticking;
      return await this.#finish(writer, fault);
    } finally {
      clearInterval(timer);
      this.#ctx.shuttingDown.removeEventListener('abort', onStopping);
      await writer.close();
    }
  }

  async #receive(writer: PartialWriter): Promise<undefined> {
    const { request, checksum } = this.#order;
    // Destroying the request would take the answer with it.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      this.#lastChunkAt = performance.now();
      if (this.#stop !== undefined) return undefined;
      if (this.#receivedBytes + chunk.length > this.#limitBytes) {
        this.#stop = 'too_large';
        return undefined;
      }
      this.#receivedBytes += chunk.length;
      checksum?.update(chunk);
      this.#hash?.update(chunk);
      this.#pending.push(chunk);
      this.#pendingBytes += chunk.length;
      if (this.#pendingBytes >= BATCH_BYTES) await this.#write(writer);
    }
    return undefined;
  }

  /** Begins to write what has come; waits for what was being written before. */
  async #write(writer: PartialWriter): Promise<void> {
    await this.#inFlight;
    const [chunks, atByte] = [this.#pending, this.#writtenBytes];
    if (chunks.length === 0) return;
    const endByte = atByte + this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#inFlight = writer.write(chunks, atByte).then(() => {
      this.#writtenBytes = endByte;
    });
    // Whoever waits for it next hears of its failure.
    this.#inFlight.catch(() => undefined);
  }

  /** Acknowledges what is written and holds the lock; stops when it must. */
  #tick(writer: PartialWriter): void {
    if (this.#isTicking || this.#stop !== undefined) return;
    if (performance.now() - this.#lastChunkAt > IDLE_LIMIT_MS) return this.#stopFor('idle');
    this.#isTicking = true;
    this.#ticking = this.#commit(writer)
      // The database is away for a moment, or the disk failed: the end of the request tells.
      .catch(() => undefined)
      .finally(() => {
        this.#isTicking = false;
      });
  }

  async #commit(writer: PartialWriter): Promise<void> {
    const { auth, upload, lock, checksum, isAllOrNothing } = this.#order;
    const isWhole = checksum === undefined && !isAllOrNothing;
    const upTo = isWhole ? this.#writtenBytes : this.#committedBytes;
    if (upTo > this.#committedBytes) await writer.flush();
    const answer = await this.#ctx.store.files.uploads.commit({
      tenantId: auth.tenantId,
      id: upload.id,
      lock,
      offsetBytes: upTo,
      expiresAt: this.#expiresAt(),
      leaseMs: LEASE_MS,
      quotaBytes: this.#ctx.files.quotaBytes,
    });
    if (answer.outcome === 'held') this.#committedBytes = upTo;
    else this.#stopFor(answer.outcome);
    if (answer.outcome === 'held' && answer.isReleaseAsked) this.#stopFor('released');
  }

  #stopFor(reason: Stop): void {
    this.#stop ??= reason;
    // It waits for bytes that may never come.
    this.#order.request.destroy();
  }

  async #finish(writer: PartialWriter, fault: unknown): Promise<Kept> {
    const { auth, upload, lock, isLengthNew, request, checksum, isAllOrNothing } = this.#order;
    const isBodyWhole = fault === undefined && this.#stop === undefined && request.complete;
    const isMismatch = isBodyWhole && checksum?.matches() === false;
    const isRefused = isMismatch || this.#stop === 'too_large';
    const isKept = !isRefused && (isBodyWhole || (checksum === undefined && !isAllOrNothing));
    const isClean = await this.#drain(writer, isKept);
    const offsetBytes = isKept && isClean ? this.#writtenBytes : this.#committedBytes;
    const isWholeUpload = isBodyWhole && isAllOrNothing && upload.length_bytes === null && isKept;
    const lengthBytes = upload.length_bytes ?? (isWholeUpload ? offsetBytes : undefined);
    const released = await this.#ctx.store.files.uploads.release({
      ...{ tenantId: auth.tenantId, id: upload.id, lock, offsetBytes, isClean, lengthBytes, isRefused, isLengthNew },
      sha256: lengthBytes === offsetBytes ? this.#hash?.copy().digest('hex') : undefined,
      kind: KINDS.fileProcessing,
      actor: auth.actor,
      expiresAt: this.#expiresAt(),
      quotaBytes: this.#ctx.files.quotaBytes,
      now: this.#ctx.clock(),
    });
    this.#keepHash(released, { offsetBytes, isMismatch });
    if (isMismatch) throw new HttpProblem('checksum_mismatch');
    if (!isClean) throw new Error('an upload could not be written');
    return this.#answer(released, isBodyWhole);
  }

  /** Everything that came is on disk: true. A disk that failed leaves open what it has. */
  async #drain(writer: PartialWriter, isKept: boolean): Promise<boolean> {
    try {
      if (isKept) await this.#write(writer);
      await this.#inFlight;
      if (isKept && this.#writtenBytes > this.#committedBytes) await writer.flush();
      return true;
    } catch (error) {
      this.#ctx.log.error({ err: error, uploadId: this.#order.upload.id }, 'an upload could not be written');
      return false;
    }
  }

  #keepHash(released: Released, { offsetBytes, isMismatch }: { readonly offsetBytes: number; readonly isMismatch: boolean }): void {
    if (released.outcome !== 'open') return;
    const hash = isMismatch ? this.#keepFor : this.#hash;
    const isCurrent = isMismatch ? offsetBytes === this.#order.upload.offset_bytes : offsetBytes === this.#receivedBytes;
    if (hash !== undefined && isCurrent) this.#hashes.keep(this.#order.upload.id, offsetBytes, hash);
  }

  #answer(released: Released, isAllKept: boolean): Kept {
    if (released.outcome !== 'open' && released.outcome !== 'complete') throw refusalOf(released.outcome);
    if (this.#stop === 'quota') throw new HttpProblem('quota_exceeded');
    if (this.#stop === 'too_large')
      throw new HttpProblem('payload_too_large', `The body has more bytes than are to come: ${this.#limitBytes} in all.`);
    if (this.#stop === 'stopping') throw new HttpProblem('unavailable', 'The server is stopping. What was acknowledged is kept.');
    if (!isAllKept) throw new HttpProblem('malformed_request', 'The body broke off. HEAD tells how much of it was kept.');
    return released;
  }

  #expiresAt(): Date {
    return new Date(this.#ctx.clock().getTime() + this.#ctx.files.uploadExpiryMs);
  }
}

function refusalOf(outcome: Exclude<Released['outcome'], 'open' | 'complete'>): HttpProblem {
  switch (outcome) {
    case 'lost':
      return locked();
    case 'ended':
      return new HttpProblem('upload_gone');
    case 'quota':
      return new HttpProblem('quota_exceeded');
  }
}

export function locked(): HttpProblem {
  return new HttpProblem('upload_locked', undefined, { headers: { 'Retry-After': '1' } });
}
