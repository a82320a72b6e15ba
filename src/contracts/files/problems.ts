import type { ProblemKind } from '../problems.ts';

/** What can be wrong with uploads and files, beside what can be wrong with every request. */
export const FILE_PROBLEMS = {
  file_not_ready: {
    status: 409,
    title: 'The file can not be had',
    retryable: false,
    why: 'Only a file in the state `ready` is given out. It is still uploaded or checked, it is in quarantine, or its check has failed.',
    fix: 'Read GET /v1/files/{id}: `state` and `reasons` say why.',
  },
  upload_offset_mismatch: {
    status: 409,
    title: 'The upload stands elsewhere',
    retryable: true,
    why: '`Upload-Offset` is not the number of bytes that are safe here.',
    fix: 'Ask for the offset by HEAD and go on from there.',
  },
  upload_gone: {
    status: 410,
    title: 'The upload is over',
    retryable: false,
    why: 'It was terminated, or no more bytes came until it expired.',
    fix: 'Begin a new upload.',
  },
  tus_version_unsupported: {
    status: 412,
    title: 'The version of tus is not supported',
    retryable: false,
    why: 'The header `Tus-Resumable` is missing or names a version that this server does not speak.',
    fix: 'Send `Tus-Resumable: 1.0.0`.',
  },
  source_not_allowed: {
    status: 403,
    title: 'The object may not be named',
    retryable: false,
    why: 'The setting FILE_SOURCES of this server, which says what objects each tenant may name, does not open the place of this one to yours.',
    fix: 'Ask who runs the server to add the bucket, or a folder of it, for your tenant; or upload the file.',
  },
  source_changed: {
    status: 409,
    title: 'The object is another one by now',
    retryable: false,
    why: 'The object that was registered was replaced or removed since, so that other bytes would be given out than were checked.',
    fix: 'Register it anew by POST /v1/files, and delete this file.',
  },
  source_unreadable: {
    status: 422,
    title: 'The object can not be read',
    retryable: false,
    why: 'There is no such object, or the server may not read it, or it has no ETag.',
    fix: 'Check bucket and key; who runs the server can let it read there.',
  },
  source_unavailable: {
    status: 503,
    title: 'The service that has the object is away',
    retryable: true,
    why: 'The object is with an outside service, which can not be reached right now.',
    fix: 'Send the request again a little later.',
  },
  quota_exceeded: {
    status: 413,
    title: 'There is no room for the file',
    retryable: false,
    why: 'All files of the tenant together would have more bytes than the quota allows.',
    fix: 'Delete files, or ask who runs the server for a larger quota.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'The file has no such bytes',
    retryable: false,
    why: 'Every range of the header `Range` begins after the end of the file.',
    fix: 'Ask for bytes that are there: `Content-Range` tells how many there are.',
  },
  upload_locked: {
    status: 423,
    title: 'Somebody else writes to the upload',
    retryable: true,
    why: 'Another request holds it, or its process died a moment ago.',
    fix: 'Wait as long as `Retry-After` says, ask for the offset by HEAD, and go on from there.',
  },
  checksum_mismatch: {
    status: 460,
    title: 'The bytes are not those that were sent',
    retryable: true,
    why: 'The checksum of what arrived is not the one in the header. Nothing of the request was kept.',
    fix: 'Send the same bytes again.',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;
