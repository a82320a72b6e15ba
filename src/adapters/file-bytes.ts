import type { Sources } from './sources.ts';
import type { ByteRange, LocalFile, OpenedObject, Storage } from './storage.ts';

/** Where the bytes of a file are, as its row says. */
export interface FilePlace {
  readonly tenant_id: string;
  /** Of an object in our storage. */
  readonly object_name: string | null;
  /** Of an object that was registered. */
  readonly source: string | null;
  readonly source_etag: string | null;
}

interface Reading {
  readonly signal?: AbortSignal;
}

/**
 * The bytes of one file, wherever they are. Undefined: they are gone. Those of an object that was registered reject with a SourceError when they
 * are not to be had any more as they were.
 */
export interface FileBytes {
  stat(options?: Reading): Promise<{ readonly sizeBytes: number } | undefined>;
  read(range?: ByteRange, options?: Reading): Promise<OpenedObject | undefined>;
  openLocal(options?: Reading): Promise<LocalFile | undefined>;
}

/** Undefined where a file has no bytes yet, or none any more. */
export type FindBytes = (place: FilePlace) => FileBytes | undefined;

/** Finds the bytes of files, in our storage and elsewhere. */
export function createFindBytes({ storage, sources }: { readonly storage: Storage; readonly sources: Sources }): FindBytes {
  return ({ tenant_id: tenantId, object_name: name, source, source_etag: etag }) => {
    if (source !== null && etag !== null) {
      const ref = { tenantId, source, etag };
      return {
        stat: (options) => sources.confirm(ref, options),
        read: (range, options) => sources.open(ref, range, options),
        openLocal: (options) => sources.openLocal(ref, options),
      };
    }
    if (name === null) return undefined;
    return {
      stat: () => storage.stat(name),
      read: (range) => storage.get(name, range),
      openLocal: (options) => storage.openLocal(name, options),
    };
  };
}
