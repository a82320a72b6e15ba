import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Bucket, optionsOf } from './storage-s3-bucket.ts';
import type { StoredContent } from './storage.ts';

/** S3 takes 10,000 parts, none but the last below 5 MiB: 40 GiB in small ones, and eight times as much in larger ones. */
const PART_BYTES = 8 * 1024 * 1024;
const LARGE_PART_BYTES = 8 * PART_BYTES;
const SMALL_PARTS = 5_000;

export interface PutRequest {
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal | undefined;
}

/** In one request, or part by part: the object appears when the last one is there. */
export async function putObject(bucket: Bucket, { name, content, signal }: PutRequest): Promise<StoredContent> {
  // It may break before it is read; reading it tells.
  if (content instanceof Readable) content.on('error', () => undefined);
  const upload = new Parts(bucket, name, signal);
  try {
    signal?.throwIfAborted();
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const drain = async (source: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of source) {
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
        await upload.take(chunk);
      }
    };
    // It destroys the content when sending fails, and ends sending when the content fails.
    await pipeline(content, drain, signal === undefined ? {} : { signal });
    await upload.finish();
    return { sizeBytes, sha256: hash.digest('hex') };
  } catch (error) {
    if (content instanceof Readable) content.destroy();
    await upload.abandon();
    throw error;
  }
}

/** What was taken and is not yet sent is at most one part, in memory that the next part has again. */
class Parts {
  readonly #bucket: Bucket;
  readonly #name: string;
  readonly #signal: AbortSignal | undefined;
  readonly #sent: { readonly ETag: string | undefined; readonly PartNumber: number }[] = [];
  #uploadId: string | undefined;
  #memory = Buffer.alloc(0);
  #filledBytes = 0;

  constructor(bucket: Bucket, name: string, signal: AbortSignal | undefined) {
    this.#bucket = bucket;
    this.#name = name;
    this.#signal = signal;
  }

  async take(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.byteLength;) {
      const partBytes = this.#sent.length < SMALL_PARTS ? PART_BYTES : LARGE_PART_BYTES;
      if (this.#filledBytes === 0 && this.#memory.length < partBytes) this.#memory = Buffer.allocUnsafeSlow(partBytes);
      const piece = chunk.subarray(taken, taken + partBytes - this.#filledBytes);
      this.#memory.set(piece, this.#filledBytes);
      this.#filledBytes += piece.byteLength;
      taken += piece.byteLength;
      if (this.#filledBytes === partBytes) await this.#send();
    }
  }

  async finish(): Promise<void> {
    if (this.#uploadId === undefined) return this.#bucket.put(this.#name, this.#takeFilled(), this.#signal);
    if (this.#filledBytes > 0) await this.#send();
    this.#signal?.throwIfAborted();
    const MultipartUpload = { Parts: this.#sent };
    await this.#bucket.run((client, sdk) =>
      client.send(new sdk.CompleteMultipartUploadCommand({ ...this.#target(), MultipartUpload }), optionsOf(this.#signal)),
    );
  }

  /** What can't be removed now is swept later. */
  async abandon(): Promise<void> {
    if (this.#uploadId === undefined) return;
    await this.#bucket.run((client, sdk) => client.send(new sdk.AbortMultipartUploadCommand(this.#target()))).catch(() => undefined);
  }

  async #send(): Promise<void> {
    const { UploadId } =
      this.#uploadId === undefined
        ? await this.#bucket.run((client, sdk) => client.send(new sdk.CreateMultipartUploadCommand(this.#bucket.keyOf(this.#name))))
        : { UploadId: this.#uploadId };
    this.#uploadId = UploadId;
    const [body, number] = [this.#takeFilled(), this.#sent.length + 1];
    const part = { ...this.#target(), PartNumber: number, Body: body, ContentLength: body.length };
    const { ETag } = await this.#bucket.run((client, sdk) => client.send(new sdk.UploadPartCommand(part), optionsOf(this.#signal)));
    this.#sent.push({ ETag, PartNumber: number });
  }

  #target() {
    return { ...this.#bucket.keyOf(this.#name), UploadId: this.#uploadId };
  }

  #takeFilled(): Buffer {
    const body = this.#memory.subarray(0, this.#filledBytes);
    this.#filledBytes = 0;
    return body;
  }
}
