import { ApplicationFailure } from '@temporalio/common';
import type { FileProcessingInput } from '../../contracts/files/processing.ts';
import type { FileRef } from '../../contracts/pure/files.ts';
import type { Opened, RunRef } from '../../contracts/pure/operations.ts';
import type { Verdict } from '../../store/files/processing.ts';
import type { UploadStanding } from '../../store/files/removal.ts';
import type { Store } from '../../store/index.ts';

export interface FileCoreDeps {
  readonly store: Store;
}

export interface FileToProcess {
  readonly fileId: string;
  readonly expiresAtMs?: number;
}

export interface TransformToDo {
  readonly expiresAtMs?: number;
}

export interface FileRequest {
  readonly run: RunRef;
  readonly fileId: string;
}

export interface SettleRequest extends FileRequest {
  readonly verdict: Verdict;
}

/** Short steps on rows of our own. All are local activities, and may be repeated. */
export function createFileCore({ store }: FileCoreDeps) {
  return {
    /** Opens the operation and takes the file in hand. */
    async openFile(run: RunRef): Promise<Opened<FileToProcess>> {
      const opened = await store.lifecycle.open(run);
      if (!opened.opened) return opened;
      // Checked against the kind's schema when it was accepted.
      const { fileId } = opened.value.input as FileProcessingInput;
      // One that is gone meanwhile is told of by the next step, which ends the operation.
      await store.files.processing.take({ run, fileId });
      const row = await store.operations.get(run.tenantId, run.operationId);
      const expiresAtMs = row?.expires_at?.getTime();
      return { opened: true, value: { fileId, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) } };
    },

    /** Opens the operation that makes a table of another. */
    async openTransform(run: RunRef): Promise<Opened<TransformToDo>> {
      const opened = await store.lifecycle.open(run);
      if (!opened.opened) return opened;
      const row = await store.operations.get(run.tenantId, run.operationId);
      const expiresAtMs = row?.expires_at?.getTime();
      return { opened: true, value: expiresAtMs === undefined ? {} : { expiresAtMs } };
    },

    /** The file is ready, or in quarantine. */
    async settleFile({ run, fileId, verdict }: SettleRequest) {
      if (!(await store.files.processing.settle({ run, fileId }, verdict))) throw fileGone();
      return { state: verdict.reasons.length === 0 ? ('ready' as const) : ('quarantined' as const) };
    },

    /** Gives an upload up when its time has come, or says how much of it is left. */
    async lookAtUpload({ file, nowMs }: { readonly file: FileRef; readonly nowMs: number }): Promise<UploadStanding> {
      return store.files.removal.expireIfDue(file, new Date(nowMs));
    },
  };
}

/** Deleted, or taken in hand by another operation. */
export function fileGone(): ApplicationFailure {
  return ApplicationFailure.create({
    message: 'The file was deleted, or is checked by another operation.',
    type: 'FileGone',
    nonRetryable: true,
    category: 'BENIGN',
  });
}

/** Where the bytes of a file of ours are. */
export function objectNameOf({ tenantId, fileId }: Pick<FileRef, 'tenantId' | 'fileId'>): string {
  return `files/${tenantId}/${fileId}`;
}
