import type { FileReason, StoredFile } from '../../contracts/files/file.ts';
import type { FileRow } from '../../store/files/records.ts';

const ENDED: Readonly<Record<string, FileReason>> = {
  cancelled: { code: 'check_cancelled', message: 'Its check was cancelled. Retry the operation to check it.' },
  expired: { code: 'check_expired', message: 'Its check came too late: `expiresAt` had passed.' },
};
const FAILED: FileReason = { code: 'check_failed', message: 'Its check ended without a verdict. Retry the operation to check it again.' };

/** A file as every route shows it. */
export function presentFile(row: FileRow): StoredFile {
  const reasons = row.check_ended === null ? row.reasons : [ENDED[row.check_ended] ?? FAILED];
  const self = `/v1/files/${row.id}`;
  const isUploading = row.state === 'uploading';
  return {
    id: row.id,
    object: 'file',
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    state: row.state,
    ...given('name', row.name),
    ...given('declaredType', row.declared_type),
    ...given('mediaType', row.media_type),
    ...given('sizeBytes', row.size_bytes),
    ...(isUploading ? given('receivedBytes', row.received_bytes) : {}),
    ...given('sha256', row.sha256),
    ...(reasons.length === 0 ? {} : { reasons: [...reasons] }),
    ...given('checks', row.checks),
    ...given('source', row.source),
    ...given('operationId', row.operation_id),
    ...given('ownerSubject', row.owner_subject),
    metadata: row.metadata,
    ...(isUploading ? given('expiresAt', row.upload_expires_at?.toISOString() ?? null) : {}),
    links: {
      self,
      ...(row.state === 'ready' ? { content: `${self}/content` } : {}),
      ...(isUploading ? { upload: `/v1/uploads/${row.id}` } : {}),
    },
  };
}

function given<Name extends string, Value>(name: Name, value: Value | null): { [Key in Name]?: Value } {
  // A computed key of one literal is typed as an index signature.
  return value === null ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}
