import type { SourceRule } from '../contracts/files/source.ts';
import { createS3Sources } from './sources-s3.ts';
import type { ByteRange, LocalFile, OpenedObject } from './storage.ts';

/** An object as it was when somebody registered it. */
export interface SourceVersion {
  readonly sizeBytes: number;
  /** Names this version of it. */
  readonly etag: string;
}

/** Which version of which object, for which tenant. */
export interface SourceRef {
  readonly tenantId: string;
  /** `s3://bucket/key` */
  readonly source: string;
  readonly etag: string;
}

interface Reading {
  readonly signal?: AbortSignal;
}

/**
 * Objects that are somebody else's: looked at and read, and nothing more. What may be named by whom is asked anew by each call, so that a place
 * that is closed is closed. Every call rejects with a SourceError when there is nothing to be had.
 */
export interface Sources {
  /** What is there now. */
  look(tenantId: string, source: string, options?: Reading): Promise<SourceVersion>;
  /** Content of this version: of another there is none. */
  open(ref: SourceRef, range?: ByteRange, options?: Reading): Promise<OpenedObject>;
  /** Whether this version is still there. */
  confirm(ref: SourceRef, options?: Reading): Promise<{ readonly sizeBytes: number }>;
  /** A copy of this version on this machine, for programs that need a file. */
  openLocal(ref: SourceRef, options?: Reading): Promise<LocalFile>;
}

export interface SourcesOptions {
  readonly rules: readonly SourceRule[];
  readonly workDir: string;
}

/** Those that the rules open, in S3 or in what speaks like it. Touches nothing before the first call. */
export function createSources(options: SourcesOptions): Sources {
  return createS3Sources(options);
}
