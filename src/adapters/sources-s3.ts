import { folderFor, placeOf, SourceError, type SourceRule } from '../contracts/files/source.ts';
import { localCopy } from './local-copy.ts';
import type { SourceRef, Sources, SourcesOptions } from './sources.ts';
import { Bucket, statusOf } from './storage-s3-bucket.ts';

/** The version is another one, or there is none any more. */
const CHANGED_STATUSES: ReadonlySet<number> = new Set([404, 412, 416]);
/** From here on it is the service's own trouble, or its wish for less. */
const TROUBLE_STATUSES: ReadonlySet<number> = new Set([408, 429]);

/** Reads with the rights of this server, and only where a rule lets the tenant. */
export function createS3Sources({ rules, workDir }: SourcesOptions): Sources {
  const buckets = new Map<SourceRule, Bucket>();

  function find(tenantId: string, source: string): { readonly bucket: Bucket; readonly key: string } {
    const place = placeOf(source);
    const rule = rules.find((one) => {
      const folder = folderFor(one, tenantId);
      return place !== undefined && folder?.bucket === place.bucket && place.key.startsWith(folder.prefix);
    });
    if (place === undefined || rule === undefined) throw new SourceError('not_allowed');
    const bucket = buckets.get(rule) ?? new Bucket({ ...rule.location, prefix: '' });
    buckets.set(rule, bucket);
    return { bucket, key: place.key };
  }

  const open: Sources['open'] = async ({ tenantId, source, etag }, range, options = {}) => {
    const { bucket, key } = find(tenantId, source);
    const opened = await bucket.open(key, range, { ...options, etag }).catch(explained('changed', options.signal));
    if (opened.etag === etag) return opened;
    opened.body.destroy();
    throw new SourceError('changed');
  };

  return {
    async look(tenantId, source, options = {}) {
      const { bucket, key } = find(tenantId, source);
      const { sizeBytes, etag } = await bucket.head(key, options).catch(explained('unreadable', options.signal));
      // Nothing could tell this version from another.
      if (etag === '') throw new SourceError('unreadable');
      return { sizeBytes, etag };
    },
    open,
    async confirm({ tenantId, source, etag }: SourceRef, options = {}) {
      const { bucket, key } = find(tenantId, source);
      const found = await bucket.head(key, { ...options, etag }).catch(explained('changed', options.signal));
      if (found.etag !== etag) throw new SourceError('changed');
      return { sizeBytes: found.sizeBytes };
    },
    async openLocal(ref, options = {}) {
      const copied = await localCopy({ open: () => open(ref, undefined, options), workDir, signal: options.signal });
      if (copied === undefined) throw new SourceError('changed');
      return copied;
    },
  };
}

/** What a service's answer means; `whenMissing` where there is no such object, or no such version. */
function explained(whenMissing: 'changed' | 'unreadable', signal: AbortSignal | undefined): (error: unknown) => never {
  return (error) => {
    signal?.throwIfAborted();
    const status = statusOf(error);
    if (status === undefined || status >= 500 || TROUBLE_STATUSES.has(status)) throw new SourceError('unavailable', { cause: error });
    throw new SourceError(CHANGED_STATUSES.has(status) ? whenMissing : 'unreadable', { cause: error });
  };
}
