import { setTimeout as sleep } from 'node:timers/promises';
import type { UploadRow } from '../../store/files/records.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import type { TenantCaller } from '../lib/route.ts';
import { sees } from '../lib/visibility.ts';
import { LEASE_MS } from './receive.ts';

/** Whoever holds the lock lets go within a tick, and a dead process within its lease. */
const WAIT_FOR_LOCK_MS = LEASE_MS + 2_000;
const LOOK_EVERY_MS = 100;

/** Another tenant's upload, or another end user's, is not there. */
export async function requireSeen(ctx: ApiContext, auth: TenantCaller, id: string): Promise<void> {
  const file = await ctx.store.files.get(auth.tenantId, id);
  if (file === undefined || !sees(auth, { id, root_id: id, kind: 'file', owner_subject: file.owner_subject }))
    throw new HttpProblem('not_found');
  if (file.state === 'deleted') throw new HttpProblem('upload_gone');
  if (file.source !== null) throw new HttpProblem('not_found');
}

interface Waiting {
  readonly tenantId: string;
  readonly id: string;
  readonly gone: AbortSignal;
}

/** The upload once nobody writes to it any more. Whoever does is asked to stop. */
export async function whenFree(ctx: ApiContext, { tenantId, id, gone }: Waiting): Promise<UploadRow> {
  const deadline = performance.now() + WAIT_FOR_LOCK_MS;
  for (let isAsked = false; ; isAsked = true) {
    const upload = await ctx.store.files.uploads.get(tenantId, id);
    if (upload === undefined) throw new HttpProblem('not_found');
    const isBusy = upload.state === 'open' && upload.lock !== null && !upload.is_lock_over;
    if (!isBusy || performance.now() > deadline || gone.aborted) return upload;
    if (!isAsked) await ctx.store.files.uploads.askRelease(tenantId, id);
    await sleep(LOOK_EVERY_MS);
  }
}
