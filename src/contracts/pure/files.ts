/** Every state of a file, in the order in which a good one passes them. */
export const FILE_STATES = ['uploading', 'checking', 'quarantined', 'ready', 'failed', 'deleted'] as const;
export type FileStateName = (typeof FILE_STATES)[number];

/** What the workflows that keep a file are started with: ids only. */
export interface FileRef {
  readonly tenantId: string;
  readonly fileId: string;
  /** Name of the workflow; shown as its kind. */
  readonly kind: 'upload' | 'fileRemoval';
}

/** The workflow that keeps the time of an upload. */
export function uploadWorkflowId(tenantId: string, fileId: string): string {
  return `upload:${tenantId}:${fileId}`;
}

/** The workflow that removes the bytes of a file that is gone. */
export function fileRemovalWorkflowId(tenantId: string, fileId: string): string {
  return `fileRemoval:${tenantId}:${fileId}`;
}
