import { createHash, type Hash } from 'node:crypto';

/** Uploads that one process follows at a time; of one that falls out, the bytes are read again when they are all here. */
const MAX_FOLLOWED = 1_000;

/** Hashes of uploads under way, so that the bytes need not be read again when they came one after the other through this process. */
export interface RunningHashes {
  /** The hash of all bytes before this one, for the caller alone; undefined when this process has not seen them all. */
  take(uploadId: string, atByte: number): Hash | undefined;
  /** Keeps it for the request that goes on. */
  keep(uploadId: string, atByte: number, hash: Hash): void;
}

export function createRunningHashes(): RunningHashes {
  const followed = new Map<string, { readonly atByte: number; readonly hash: Hash }>();
  return {
    take(uploadId, atByte) {
      const entry = followed.get(uploadId);
      followed.delete(uploadId);
      if (atByte === 0) return createHash('sha256');
      return entry?.atByte === atByte ? entry.hash : undefined;
    },
    keep(uploadId, atByte, hash) {
      const oldest = followed.size >= MAX_FOLLOWED ? followed.keys().next().value : undefined;
      if (oldest !== undefined) followed.delete(oldest);
      followed.set(uploadId, { atByte, hash });
    },
  };
}
