import type { Selectable } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { DispatchItem } from '../contracts/bridge.ts';
import { KINDS, type Kind } from '../contracts/kinds.ts';
import type { NotifyTarget } from '../contracts/notify.ts';
import { noticeKey, operationWorkflowId } from '../contracts/pure/ids.ts';
import type { OperationRef } from '../contracts/pure/operations.ts';
import { TASK_QUEUES } from '../contracts/pure/task-queues.ts';
import { type Actor, TENANT_SUBJECT } from './audit.ts';
import type { Tx } from './database.ts';
import type { Database, StoredNotice } from './schema.ts';

const DEFAULT_PRIORITY = 3;

export type OperationRow = Selectable<Database['operation']>;

export interface StartFieldValues {
  readonly startAt?: Date | undefined;
  readonly expiresAt?: Date | undefined;
  /** 1 most urgent … 5. */
  readonly priority?: number | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Who gets a mail when the operation has ended. */
  readonly notify?: readonly NotifyTarget[] | undefined;
}

export interface Idempotency {
  readonly key: string;
  /** Hash of method, path and canonical body. */
  readonly digest: string;
}

export interface AcceptRequest {
  readonly tenantId: string;
  readonly kind: Kind;
  readonly input: object;
  readonly start: StartFieldValues;
  readonly actor: Actor;
  readonly ownerSubject?: string | undefined;
  readonly idempotency?: Idempotency | undefined;
  readonly now: Date;
  /** Goes before what the kind makes of the input. */
  readonly naturalKey?: string | undefined;
  /** Why it was asked for; kept as a part of the audit row's hash. */
  readonly reason?: string | undefined;
  /** Set by `retry` only. */
  readonly retry?: { readonly of: OperationRow };
  /** What else belongs to the accepting transaction. */
  readonly joined?: Joined | undefined;
}

/** Work of a feature's own within the transaction that accepts an operation. What it throws takes everything back. */
export interface Joined {
  /** Before the row is written: locks what the work is about. Says which attempt at its natural key this is; a new one makes a new root. */
  readonly before?: (tx: Tx) => Promise<{ readonly attempt: number }>;
  /** After the row was written, when it is new. */
  readonly after: (tx: Tx, operation: OperationRow) => Promise<void>;
}

export interface Plan {
  readonly status: 'accepted' | 'scheduled';
  readonly attempt: number;
  readonly naturalKey: string | null;
  readonly notify: readonly StoredNotice[];
  readonly row: Readonly<Record<string, unknown>>;
  readonly item: DispatchItem & { readonly operationId: string };
}

export function statusOf({ start, now }: AcceptRequest): Plan['status'] {
  return start.startAt !== undefined && start.startAt > now ? 'scheduled' : 'accepted';
}

/** Whose the audit row is. */
export function subjectOf({ ownerSubject }: AcceptRequest): string {
  return ownerSubject ?? TENANT_SUBJECT;
}

/** All that is to be written, with every id that it needs. */
export function planOf(request: AcceptRequest, attempt = (request.retry?.of.attempt ?? 0) + 1): Plan {
  const { tenantId, kind, start, now, retry } = request;
  const id = uuidv7();
  const rootId = retry?.of.root_id ?? id;
  const naturalKey = retry === undefined ? (request.naturalKey ?? kind.naturalKey?.(request.input as never) ?? null) : retry.of.natural_key;
  const notify = (start.notify ?? []).map((target, index) => planNotice(target, { tenantId, operationId: id, index, now }));
  const workflowId = operationWorkflowId({ kind: kind.name, tenantId, key: naturalKey ?? rootId, attempt });
  const payload: OperationRef = { tenantId, operationId: id, rootId, kind: kind.name, attempt };
  const status = statusOf(request);
  const priority = start.priority ?? DEFAULT_PRIORITY;
  const dispatchId = uuidv7();
  const item: Plan['item'] = {
    id: dispatchId,
    tenantId,
    operationId: id,
    workflowId,
    workflowType: kind.workflow,
    taskQueue: TASK_QUEUES.core,
    verb: 'start',
    name: null,
    payload: { ...payload },
    priority,
    attempts: 0,
  };
  const row = {
    id,
    tenantId,
    kind: kind.name,
    status,
    rootId,
    attempt,
    naturalKey,
    workflowId,
    priority,
    subject: subjectOf(request),
    dispatchId,
    payload,
    workflowType: item.workflowType,
    taskQueue: item.taskQueue,
    now,
    input: request.input,
    ownerSubject: request.ownerSubject,
    retryOf: retry?.of.id,
    startAt: status === 'scheduled' ? start.startAt : undefined,
    expiresAt: start.expiresAt,
    tags: start.tags ?? [],
    metadata: start.metadata ?? {},
    notify,
    auditId: uuidv7(),
    actor: request.actor.actor,
    keyId: request.actor.keyId,
    auditAction: retry === undefined ? 'operation.accepted' : 'operation.retried',
    idempotencyKey: request.idempotency?.key,
    digest: request.idempotency?.digest,
  };
  return { status, attempt, naturalKey, notify, row, item };
}

/** The row as the accepting function has just written it, without reading it back. */
export function freshRow(request: AcceptRequest, plan: Plan): OperationRow {
  const { tenantId, kind, start, now, retry } = request;
  const { item } = plan;
  return {
    id: item.operationId,
    tenant_id: tenantId,
    kind: kind.name,
    status: plan.status,
    phase: plan.status,
    message: null,
    progress: null,
    input: { ...request.input },
    result: null,
    error: null,
    tags: [...(start.tags ?? [])],
    metadata: start.metadata ?? {},
    notify: [...plan.notify],
    priority: item.priority,
    owner_subject: request.ownerSubject ?? null,
    created_by: request.actor.actor,
    natural_key: plan.naturalKey,
    root_id: retry?.of.root_id ?? item.operationId,
    retry_of: retry?.of.id ?? null,
    attempt: plan.attempt,
    workflow_id: item.workflowId,
    run_id: null,
    start_at: plan.status === 'scheduled' ? (start.startAt ?? null) : null,
    expires_at: start.expiresAt ?? null,
    created_at: now,
    started_at: null,
    finished_at: null,
    updated_at: now,
    checked_at: null,
    cancel_requested_at: null,
    cancel_rejected: null,
    stuck: null,
    paused: false,
  };
}

interface Ending {
  readonly tenantId: string;
  readonly operationId: string;
  /** Of the target among the operation's. */
  readonly index: number;
  readonly now: Date;
}

/**
 * The mail about an operation's end, as far as it is known before: the closing transaction adds address and content and accepts it. Its
 * ids are made now, so an operation that is opened and closed again makes no second mail. It notifies nobody of its own end.
 */
function planNotice(target: NotifyTarget, { tenantId, operationId, index, now }: Ending): StoredNotice {
  const { row } = planOf({
    tenantId,
    kind: KINDS.email,
    input: {},
    start: { tags: ['notify'], metadata: { operationId } },
    actor: { actor: 'system' },
    now,
    naturalKey: noticeKey(operationId, index),
  });
  return { ...target, skippedId: uuidv7(), accept: row };
}

/** Whom a stored operation notifies, as its request said. */
export function notifyTargets({ notify }: Pick<OperationRow, 'notify'>): readonly NotifyTarget[] {
  return notify.map(({ email, userId }) => (userId === undefined ? { email } : { userId }));
}
