import type { Request } from 'express';
import type { Locked } from '../../store/files/locks.ts';
import type { UploadRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { TenantCaller } from '../lib/route.ts';
import type { Checksum } from './checksum.ts';
import { LEASE_MS, locked, Receiver } from './receive.ts';
import type { RunningHashes } from './running-hashes.ts';
import { badHeader } from './upload-headers.ts';
import { bodyBytes } from './upload-requests.ts';

export interface ReceivingParts {
  readonly ctx: ApiContext;
  readonly hashes: RunningHashes;
}

interface Appending {
  readonly auth: TenantCaller;
  readonly upload: Pick<UploadRow, 'id' | 'offset_bytes'>;
  readonly lengthBytes?: number | undefined;
  readonly request: Request;
  readonly checksum: Checksum | undefined;
}

/** Takes the lock, receives the body, gives the lock back. */
export async function receiveBody(
  { ctx, hashes }: ReceivingParts,
  { auth, upload, lengthBytes, request, checksum }: Appending,
): Promise<UploadRow> {
  const taken = await ctx.store.files.uploads.lock({
    ...{ tenantId: auth.tenantId, id: upload.id, offsetBytes: upload.offset_bytes, lengthBytes, leaseMs: LEASE_MS },
    quotaBytes: ctx.files.quotaBytes,
  });
  // A client that lost the last answer asks again with nothing left to send.
  if (taken.outcome === 'ended' && isRepeatedEnd(taken.upload, upload, request)) return taken.upload;
  if (taken.outcome !== 'locked') throw refusalOf(taken);
  const { lock, isLengthNew } = taken;
  const order = { auth, upload: taken.upload, lock, isLengthNew, request, checksum, isAllOrNothing: false };
  const released = await new Receiver(ctx, hashes, order).run();
  return released.upload;
}

function isRepeatedEnd(stored: UploadRow, { offset_bytes: offsetBytes }: Pick<UploadRow, 'offset_bytes'>, request: Request): boolean {
  return stored.state === 'complete' && stored.offset_bytes === offsetBytes && bodyBytes(request) === 0;
}

function refusalOf(taken: Exclude<Locked, { outcome: 'locked' }>): HttpProblem {
  switch (taken.outcome) {
    case 'missing':
      return new HttpProblem('not_found');
    case 'busy':
      return locked();
    case 'quota':
      return new HttpProblem('quota_exceeded');
    case 'other_length':
      return badHeader('upload-length', 'is not the length that was given before, or less than what is there');
    case 'ended':
      if (taken.upload.state !== 'complete') return new HttpProblem('upload_gone');
      return otherOffset(taken.upload);
    case 'other_offset':
      return otherOffset(taken.upload);
  }
}

function otherOffset({ offset_bytes: offsetBytes }: UploadRow): HttpProblem {
  return new HttpProblem('upload_offset_mismatch', `Bytes that are safe: ${offsetBytes}.`, {
    headers: { 'Upload-Offset': String(offsetBytes) },
  });
}
