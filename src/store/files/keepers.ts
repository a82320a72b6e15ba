import { type FileRef, fileRemovalWorkflowId, uploadWorkflowId } from '../../contracts/pure/files.ts';
import type { Tx } from '../database.ts';
import { dropStart, signalInner, startInner } from '../inner-workflows.ts';

/** Most uploads are over before they need anybody who keeps their time. */
const KEEPER_STARTS_AFTER_MS = 10_000;

/** Somebody keeps the time of an upload, from a little later on. */
export function startKeeper(tx: Tx, { tenantId, fileId }: Omit<FileRef, 'kind'>, now: Date): Promise<void> {
  const ref: FileRef = { tenantId, fileId, kind: 'upload' };
  const dueAt = new Date(now.getTime() + KEEPER_STARTS_AFTER_MS);
  return startInner(tx, { workflowId: uploadWorkflowId(tenantId, fileId), ref, dueAt, now });
}

/** The upload has ended by itself or by somebody's wish. */
export async function endKeeper(tx: Tx, ref: FileRef, now: Date): Promise<void> {
  const workflowId = uploadWorkflowId(ref.tenantId, ref.fileId);
  if (!(await dropStart(tx, workflowId, now))) await signalInner(tx, { workflowId, ref, name: 'uploadEnded', now });
}

/** Its bytes are to go. */
export function startRemoval(tx: Tx, { tenantId, fileId }: Omit<FileRef, 'kind'>, now: Date): Promise<void> {
  const ref: FileRef = { tenantId, fileId, kind: 'fileRemoval' };
  return startInner(tx, { workflowId: fileRemovalWorkflowId(tenantId, fileId), ref, now });
}
