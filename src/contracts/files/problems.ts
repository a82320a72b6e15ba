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
