import { isDeepStrictEqual } from 'node:util';
import { type Kysely, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { DispatchBridge } from '../contracts/bridge.ts';
import type { Kind } from '../contracts/kinds.ts';
import { MESSAGES } from '../contracts/pure/messages.ts';
import { TERMINAL_STATUSES } from '../contracts/pure/operations.ts';
import { notifyTargets } from './accepting.ts';
import { type Actor, recordChange } from './audit.ts';
import { type Tx, withTenant } from './database.ts';
import { endingOfCancelled } from './endings.ts';
import { insertMessage, type Locked } from './messages.ts';
import type { Idempotency, OperationRow, OperationsStore } from './operations.ts';
import type { Database } from './schema.ts';

export interface VerbRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly actor: Actor;
  readonly reason?: string | undefined;
  readonly now: Date;
}

export interface SignalRequest extends VerbRequest {
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface RescheduleRequest extends VerbRequest {
  readonly startAt: Date;
}

export interface CancelRequest extends VerbRequest {
  readonly kind?: Kind | undefined;
}

export interface RetryRequest extends VerbRequest {
  readonly kind: Kind;
  /** An edited input; without one, the first input again. */
  readonly input?: object | undefined;
  readonly idempotency?: Idempotency | undefined;
}

export type Retried =
  | { readonly outcome: 'created' | 'replayed'; readonly operation: OperationRow }
  | { readonly outcome: 'not_terminal' | 'succeeded' | 'superseded' | 'already_done' | 'begun_anew' | 'input_fixed' | 'mismatch' };

interface Parts {
  readonly db: Kysely<Database>;
  readonly bridge: DispatchBridge;
  readonly operations: OperationsStore;
}

/** What people and programs ask of an operation that exists. Each writes rows; the dispatcher tells the workflow. */
export function createVerbsStore(parts: Parts) {
  return {
    requestCancel: (request: CancelRequest) => requestCancel(parts, request),
    signal: (request: SignalRequest) => signal(parts, request),
    reschedule: (request: RescheduleRequest) => reschedule(parts, request),
    retry: (request: RetryRequest) => retry(parts, request),
  };
}

interface Cancelled {
  readonly outcome: 'cancelled' | 'cancelling' | 'too_late' | 'finished';
  readonly operation: OperationRow;
}

async function requestCancel(parts: Parts, request: CancelRequest): Promise<Cancelled | undefined> {
  const answer = await withTenant(parts.db, request.tenantId, (tx) => cancelWithin(tx, request));
  if (answer?.outcome === 'cancelling') parts.bridge.wake();
  return answer;
}

/** Before the workflow opened the row, cancelling is one compare-and-set; later the workflow is asked. Joins the caller's transaction. */
export async function cancelWithin(tx: Tx, request: CancelRequest): Promise<Cancelled | undefined> {
  const row = await lock(tx, request.id);
  if (row === undefined) return undefined;
  if (row.status === 'cancelled' || row.status === 'cancelling') return { outcome: row.status, operation: row };
  if (isTerminal(row)) return { outcome: 'finished', operation: row };
  if (row.run_id === null) {
    await recordVerb({ tx, row }, { ...request, name: 'cancel' });
    const outcome = await finishUnopened(tx, row, request);
    return { outcome, operation: await read(tx, row.id) };
  }
  await tx
    .updateTable('operation')
    .set({ status: 'cancelling', cancel_requested_at: request.now, updated_at: request.now })
    .where('id', '=', row.id)
    .execute();
  await appendStep({ tx, row }, { status: 'cancelling', phase: row.phase }, request.now);
  await insertMessage({ tx, row }, { verb: 'cancel', name: null, payload: {}, now: request.now });
  await recordVerb({ tx, row }, { ...request, name: 'cancel' });
  return { outcome: 'cancelling', operation: await read(tx, row.id) };
}

/** Sends one of the kind's signals, or `pause` / `resume`, which the row shows at once. */
async function signal(
  parts: Parts,
  request: SignalRequest,
): Promise<{ readonly outcome: 'sent' | 'finished' | 'not_started'; readonly operation: OperationRow } | undefined> {
  const answer = await withTenant(parts.db, request.tenantId, async (tx) => {
    const row = await lock(tx, request.id);
    if (row === undefined) return undefined;
    if (isTerminal(row)) return { outcome: 'finished' as const, operation: row };
    if (row.run_id === null) return { outcome: 'not_started' as const, operation: row };
    const paused = request.name === MESSAGES.pause ? true : request.name === MESSAGES.resume ? false : row.paused;
    await tx.updateTable('operation').set({ paused, updated_at: request.now }).where('id', '=', row.id).execute();
    if (paused !== row.paused) await appendStep({ tx, row }, { status: row.status, phase: row.phase, paused }, request.now);
    // A reason is free text: it is kept as a hash with the audit row, and does not go to Temporal.
    const { reason = request.reason, ...fields } = request.payload;
    const payload = { ...fields, actor: request.actor.actor };
    await insertMessage({ tx, row }, { verb: 'signal', name: request.name, payload, now: request.now });
    await recordVerb({ tx, row }, typeof reason === 'string' ? { ...request, reason } : request);
    return { outcome: 'sent' as const, operation: { ...row, paused } };
  });
  if (answer?.outcome === 'sent') parts.bridge.wake();
  return answer;
}

/** Moves a waiting start; `scheduled` rows only. */
async function reschedule(
  parts: Parts,
  request: RescheduleRequest,
): Promise<{ readonly outcome: 'rescheduled' | 'not_scheduled'; readonly operation: OperationRow } | undefined> {
  const answer = await withTenant(parts.db, request.tenantId, async (tx) => {
    const row = await lock(tx, request.id);
    if (row === undefined) return undefined;
    if (row.status !== 'scheduled') return { outcome: 'not_scheduled' as const, operation: row };
    const moved = await tx
      .updateTable('dispatch')
      .set({ due_at: request.startAt })
      .where('operation_id', '=', row.id)
      .where('verb', '=', 'start')
      .where('delivered_at', 'is', null)
      .where('lease_until', 'is', null)
      .returning('id')
      .execute();
    if (moved.length === 0) return { outcome: 'not_scheduled' as const, operation: row };
    await tx.updateTable('operation').set({ start_at: request.startAt, updated_at: request.now }).where('id', '=', row.id).execute();
    await appendStep({ tx, row }, { status: 'scheduled', phase: 'scheduled', startAt: request.startAt }, request.now);
    await recordChange(tx, {
      ...changeOf(row, request),
      action: 'operation.rescheduled',
      before: { startAt: row.start_at },
      after: { startAt: request.startAt },
      details: { from: row.start_at, to: request.startAt },
    });
    return { outcome: 'rescheduled' as const, operation: await read(tx, row.id) };
  });
  if (answer?.outcome === 'rescheduled') parts.bridge.wake();
  return answer;
}

/**
 * A new attempt at work that ended without success. Done effects are kept: an edited input that would make one of them different is
 * refused as `already_done`.
 */
async function retry(parts: Parts, request: RetryRequest): Promise<Retried | undefined> {
  const { tenantId, id, kind, actor, now, idempotency } = request;
  const row = await parts.operations.get(tenantId, id);
  if (row === undefined) return undefined;
  const input = request.input ?? row.input;
  const replay = await parts.operations.replayOf(tenantId, idempotency);
  if (replay !== undefined) return replay;
  if (!isTerminal(row)) return { outcome: 'not_terminal' };
  if (row.status === 'succeeded') return { outcome: 'succeeded' };
  if (kind.isBegunAnew === true) return { outcome: 'begun_anew' };
  if (kind.keepsInput === true && !isDeepStrictEqual(input, row.input)) return { outcome: 'input_fixed' };
  const latest = await parts.operations.latestOf(tenantId, row.root_id);
  if (latest !== undefined && latest.id !== row.id) return { outcome: 'superseded' };
  if (await contradictsDone(parts, row, { kind, input })) return { outcome: 'already_done' };
  const start = { priority: row.priority, tags: row.tags, metadata: row.metadata, notify: notifyTargets(row) };
  const ownerSubject = row.owner_subject ?? undefined;
  const accepted = await parts.operations.accept({
    tenantId,
    kind,
    input,
    start,
    actor,
    ownerSubject,
    idempotency,
    now,
    reason: request.reason,
    retry: { of: row },
  });
  if (accepted.outcome === 'mismatch') return { outcome: 'mismatch' };
  if (accepted.outcome === 'existing') return { outcome: 'superseded' };
  return { outcome: accepted.outcome, operation: accepted.operation };
}

async function contradictsDone(
  { db }: Parts,
  row: OperationRow,
  { kind, input }: { readonly kind: Kind; readonly input: object },
): Promise<boolean> {
  if (kind.effects === undefined) return false;
  const done = await withTenant(db, row.tenant_id, (tx) =>
    tx
      .selectFrom('effect')
      .select(['step', 'request_digest'])
      .where('tenant_id', '=', row.tenant_id)
      .where('root_id', '=', row.root_id)
      .where('state', '=', 'done')
      .execute(),
  );
  const planned = new Map(kind.effects(input as never, row.root_id).map((effect) => [effect.step, effect.digest]));
  return done.some((effect) => planned.has(effect.step) && planned.get(effect.step) !== effect.request_digest);
}

async function recordVerb({ tx, row }: Locked, request: VerbRequest & { readonly name: string }): Promise<void> {
  await recordChange(tx, {
    ...changeOf(row, request),
    action: `operation.${request.name}.requested`,
    ...(request.reason === undefined ? {} : { after: { reason: request.reason } }),
  });
}

function changeOf(row: OperationRow, { actor, now }: VerbRequest) {
  return { ...actor, tenantId: row.tenant_id, at: now, target: `operation/${row.id}`, operationId: row.id };
}

function isTerminal(row: OperationRow): boolean {
  return (TERMINAL_STATUSES as readonly string[]).includes(row.status);
}

function lock(tx: Tx, id: string): Promise<OperationRow | undefined> {
  return tx.selectFrom('operation').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

function read(tx: Tx, id: string): Promise<OperationRow> {
  return tx.selectFrom('operation').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

/** A retry whose recipients had it all before has nothing left to cancel. */
async function finishUnopened(tx: Tx, row: OperationRow, request: CancelRequest): Promise<'cancelled' | 'too_late'> {
  const { tenant_id: tenantId, id: operationId, root_id: rootId } = row;
  const ending = await endingOfCancelled(tx, request.kind, { tenantId, operationId, rootId, runId: null, now: request.now });
  const status = ending.status === 'succeeded' ? 'succeeded' : 'cancelled';
  const parameters = {
    now: request.now,
    status,
    result: ending.result ?? null,
    error: null,
    cancelRequested: true,
    eventId: uuidv7(),
    auditId: uuidv7(),
    actor: request.actor.actor,
    keyId: request.actor.keyId,
  };
  await sql`select finish_operation(o, ${JSON.stringify(parameters)}::jsonb) from operation o where o.id = ${row.id}`.execute(tx);
  return status === 'cancelled' ? status : 'too_late';
}

async function appendStep({ tx, row }: Locked, data: object, now: Date): Promise<void> {
  await sql`select append_stream_event(${row.tenant_id}, ${row.id}::uuid, 'step', ${JSON.stringify(data)}::jsonb, ${now}::timestamptz)`.execute(
    tx,
  );
}
