import type { Operation } from '../../contracts/operation.ts';
import type { OperationRow } from '../../store/operations.ts';
import type { ApiContext } from './context.ts';

/** An operation as every route shows it. Says the same for the same row, so that its ETag holds. */
export function presentOperation(row: OperationRow, ctx: Pick<ApiContext, 'kinds' | 'temporalUiLink'>): Operation {
  const self = `/v1/operations/${row.id}`;
  const resource = ctx.kinds[row.kind]?.resource?.(row.root_id, row.input as never);
  const temporal = ctx.temporalUiLink?.(row.workflow_id);
  return {
    id: row.id,
    object: 'operation',
    kind: row.kind,
    status: row.status,
    phase: row.phase,
    ...(row.progress === null ? {} : { progress: presentProgress(row.progress, row) }),
    ...(row.message === null ? {} : { message: row.message }),
    tags: row.tags,
    metadata: row.metadata,
    ...(row.owner_subject === null ? {} : { ownerSubject: row.owner_subject }),
    createdAt: row.created_at.toISOString(),
    ...instant('startAt', row.start_at),
    ...instant('expiresAt', row.expires_at),
    ...instant('startedAt', row.started_at),
    ...instant('finishedAt', row.finished_at),
    ...(row.result === null ? {} : { result: row.result }),
    ...(row.error === null ? {} : { error: row.error }),
    ...(row.stuck === null ? {} : { stuck: row.stuck }),
    ...(row.paused ? { paused: true } : {}),
    ...(row.cancel_rejected === null ? {} : { cancelRejected: 'too_late' as const }),
    ...(row.retry_of === null ? {} : { retryOf: row.retry_of }),
    rootId: row.root_id,
    attempt: row.attempt,
    links: {
      self,
      stream: `${self}/stream`,
      ...(resource === undefined ? {} : { resource }),
      ...(temporal === undefined ? {} : { temporal }),
    },
  };
}

type Progress = NonNullable<Operation['progress']>;

function presentProgress(stored: NonNullable<OperationRow['progress']>, row: OperationRow): Progress {
  const { done, total, unit } = stored;
  if (total === undefined) return { done, unit };
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100));
  if (row.started_at === null || row.finished_at !== null || done === 0) return { done, total, unit, percent };
  const elapsedMs = row.updated_at.getTime() - row.started_at.getTime();
  return { done, total, unit, percent, secondsLeft: Math.max(0, Math.round((elapsedMs * (total - done)) / done / 1000)) };
}

function instant<Name extends string>(name: Name, value: Date | null): { [Key in Name]?: string } {
  // A computed key of one literal is typed as an index signature.
  return value === null ? {} : ({ [name]: value.toISOString() } as { [Key in Name]?: string });
}
