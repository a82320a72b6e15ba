/**
 * Every failure type that a workflow may decide by, named once. `retryable` is what Temporal does with it, `benign` keeps expected
 * business answers out of error metrics, `httpStatus` is what the API shows where the failure ends a request or an operation.
 */
export const FAILURES = {
  AlreadyDone: { code: 'already_done', retryable: false, benign: true, httpStatus: 409 },
  Cancelled: { code: 'cancelled', retryable: false, benign: true, httpStatus: 409 },
  DiskFailed: { code: 'disk_failed', retryable: true, benign: false, httpStatus: 503 },
  EffectLost: { code: 'effect_lost', retryable: true, benign: true, httpStatus: 503 },
  EffectSettling: { code: 'effect_settling', retryable: true, benign: true, httpStatus: 503 },
  FileGone: { code: 'file_gone', retryable: false, benign: true, httpStatus: 409 },
  NotOpen: { code: 'operation_not_open', retryable: false, benign: true, httpStatus: 409 },
  OutsideUnavailable: { code: 'outside_unavailable', retryable: true, benign: false, httpStatus: 503 },
  SourceChanged: { code: 'source_changed', retryable: false, benign: true, httpStatus: 409 },
  SourceNotAllowed: { code: 'source_not_allowed', retryable: false, benign: true, httpStatus: 403 },
  SourceUnreadable: { code: 'source_unreadable', retryable: false, benign: true, httpStatus: 422 },
  StoreUnavailable: { code: 'store_unavailable', retryable: true, benign: false, httpStatus: 503 },
  Rejected: { code: 'rejected', retryable: false, benign: true, httpStatus: 422 },
} as const;
