import type { Readable } from 'node:stream';

/** A run of bytes of a growing object, in a file that one writer had for himself. */
export interface Segment {
  /** Raised whenever a writer takes over from one that may still live; each has files of its own, so that nobody writes into another's. */
  readonly epoch: number;
  /** Where its bytes begin in the object. */
  readonly firstByte: number;
}

export interface PartialRef {
  /** A UUID of ours. */
  readonly id: string;
  /** In order; each ends where the next begins. */
  readonly segments: readonly Segment[];
  /** Bytes in all segments that are safe. What lies behind them was never acknowledged. */
  readonly sizeBytes: number;
}

/** Writes one segment. Used by one request at a time. */
export interface PartialWriter {
  /** Writes the bytes, one after the other, at this place of the object. Their memory is its own from then on: nobody else may use it. */
  write(bytes: readonly Uint8Array[], atByte: number): Promise<void>;
  /** Resolves when all that was written would survive a crash of the machine. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Objects that are not whole yet, in storage's temporary area: bytes are appended, and survive once they are flushed. */
export interface Partials {
  /** Opens a segment for writing, making it when it is missing. */
  open(id: string, segment: Segment): Promise<PartialWriter>;
  /** The acknowledged bytes, in order. Must be read or destroyed. */
  read(partial: PartialRef, range?: { readonly firstByte: number; readonly endByte: number }): Readable;
  /** Makes a partial of one segment an object, without copying where the driver can. False: it must be read and put. Idempotent. */
  publish(partial: PartialRef, name: string): Promise<boolean>;
  /** Removes all segments. Idempotent. */
  discard(id: string): Promise<void>;
}
