import { type Kysely, sql } from 'kysely';
import type { DispatchBridge } from '../contracts/bridge.ts';
import type { OperationStatus } from '../contracts/pure/operations.ts';
import {
  type AcceptRequest,
  freshRow,
  type Idempotency,
  type Joined,
  type OperationRow,
  type Plan,
  planOf,
  statusOf,
  subjectOf,
} from './accepting.ts';
import type { AuditStore } from './audit.ts';
import { callFunction, type Tx, withTenant } from './database.ts';
import type { Database } from './schema.ts';

/** How long the accepting process keeps a row for itself; after that any dispatcher may deliver it. */
const DIRECT_LEASE_MS = 10_000;

export type { AcceptRequest, Idempotency, OperationRow, StartFieldValues } from './accepting.ts';

export type Accepted =
  | { readonly outcome: 'created' | 'existing' | 'replayed'; readonly operation: OperationRow }
  | { readonly outcome: 'mismatch' };

export interface OperationFilter {
  /** Only of these kinds. */
  readonly kinds?: readonly string[] | undefined;
  readonly status?: OperationStatus | undefined;
  readonly tag?: string | undefined;
  /** Looked for in id, tags, metadata and input. */
  readonly text?: string | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
  readonly ownerSubject?: string | undefined;
  /** Only these: `operation/{id}` or `{kind}/{id}`, by their own id or that of their first attempt. */
  readonly resources?: readonly string[] | undefined;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: { readonly createdAt: Date; readonly id: string } | undefined;
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
  readonly bridge: DispatchBridge;
}

/** Accepting work and looking it up. What happens to it later is in lifecycle.ts and verbs.ts. */
export function createOperationsStore({ db, audit, bridge }: Parts) {
  /**
   * Accepts one operation in one transaction and one round trip, and hands it to the dispatcher. Safe to repeat with the same
   * idempotency key or natural key: the answer is the first operation.
   */
  async function accept(request: AcceptRequest): Promise<Accepted> {
    const direct = statusOf(request) === 'accepted' && bridge.reserve();
    const leaseUntil = direct ? new Date(request.now.getTime() + DIRECT_LEASE_MS) : undefined;
    let written: Written | undefined;
    try {
      const afterHmac = await audit.hashFor(request.tenantId, subjectOf(request), {
        kind: request.kind.name,
        input: request.input,
        reason: request.reason,
      });
      const more = { leaseUntil, afterHmac: afterHmac.toString('hex') };
      written =
        request.joined === undefined
          ? await write(db, planOf(request), more)
          : await writeJoined(db, { ...request, joined: request.joined }, more);
      const { answer, plan } = written;
      if (answer === undefined || answer.outcome === 'mismatch') return { outcome: 'mismatch' };
      if (answer.outcome === 'created') return { outcome: 'created', operation: freshRow(request, plan) };
      const operation = await get(request.tenantId, answer.object_id);
      if (operation === undefined) throw new Error('the operation that answers this request is gone');
      return { outcome: answer.outcome === 'existing' ? 'existing' : 'replayed', operation };
    } finally {
      const isCreated = written?.answer?.outcome === 'created';
      if (direct && isCreated && written !== undefined) bridge.deliver(written.plan.item);
      else if (direct) bridge.release();
      else if (isCreated) bridge.wake();
    }
  }

  /** The same in a transaction that decides more than this; the caller wakes the dispatcher once it has committed. Answers with its id. */
  async function acceptIn(tx: Tx, request: AcceptRequest): Promise<string> {
    const plan = planOf(request);
    const value = { kind: request.kind.name, input: request.input, reason: request.reason };
    const afterHmac = await audit.hashIn(tx, { tenantId: request.tenantId, subject: subjectOf(request), value });
    const { answer } = await write(tx, plan, { afterHmac: afterHmac.toString('hex') });
    const id = answer?.object_id;
    if (id === undefined) throw new Error('accept_operation gave no row');
    return id;
  }

  async function get(tenantId: string, id: string): Promise<OperationRow | undefined> {
    return withTenant(db, tenantId, (tx) => tx.selectFrom('operation').selectAll().where('id', '=', id).executeTakeFirst());
  }

  /** What was accepted for a request with this key before. Undefined: it is the first. */
  async function replayOf(tenantId: string, idempotency: Idempotency | undefined): Promise<Replay | undefined> {
    if (idempotency === undefined) return undefined;
    const used = await withTenant(db, tenantId, (tx) =>
      tx.selectFrom('idempotency').selectAll().where('tenant_id', '=', tenantId).where('key', '=', idempotency.key).executeTakeFirst(),
    );
    if (used === undefined) return undefined;
    if (used.digest !== idempotency.digest) return { outcome: 'mismatch' };
    const operation = await get(tenantId, used.object_id);
    return operation === undefined ? { outcome: 'mismatch' } : { outcome: 'replayed', operation };
  }

  return {
    accept,
    acceptIn,
    get,
    replayOf,
    latestOf: (tenantId: string, rootId: string) => latestOf(db, tenantId, rootId),
    list: (tenantId: string, filter: OperationFilter, page: PageRequest) => list(db, { tenantId, filter, page }),
  };
}

export type Replay = { readonly outcome: 'replayed'; readonly operation: OperationRow } | { readonly outcome: 'mismatch' };

export type OperationsStore = ReturnType<typeof createOperationsStore>;

interface Answer {
  readonly outcome: string;
  readonly object_id: string;
}

interface Written {
  readonly plan: Plan;
  readonly answer: Answer | undefined;
}

type More = Readonly<Record<string, unknown>>;

async function write(db: Kysely<Database> | Tx, plan: Plan, more: More): Promise<Written> {
  const [answer] = await callFunction<Answer>(db, 'accept_operation', JSON.stringify({ ...plan.row, ...more }));
  return { plan, answer };
}

function writeJoined(db: Kysely<Database>, request: AcceptRequest & { readonly joined: Joined }, more: More): Promise<Written> {
  const { joined, tenantId } = request;
  return withTenant(db, tenantId, async (tx) => {
    const before = await joined.before?.(tx);
    const written = await write(tx, planOf(request, before?.attempt), more);
    if (written.answer?.outcome === 'created') await joined.after(tx, freshRow(request, written.plan));
    return written;
  });
}

/** The latest attempt at the work that began with this operation. */
async function latestOf(db: Kysely<Database>, tenantId: string, rootId: string): Promise<OperationRow | undefined> {
  return withTenant(db, tenantId, (tx) =>
    tx
      .selectFrom('operation')
      .selectAll()
      .where('tenant_id', '=', tenantId)
      .where('root_id', '=', rootId)
      .orderBy('attempt', 'desc')
      .limit(1)
      .executeTakeFirst(),
  );
}

interface ListRequest {
  readonly tenantId: string;
  readonly filter: OperationFilter;
  readonly page: PageRequest;
}

/** Newest first; the cursor is the last row of the page before. */
async function list(db: Kysely<Database>, { tenantId, filter, page }: ListRequest): Promise<OperationRow[]> {
  return withTenant(db, tenantId, (tx) => {
    let query = tx.selectFrom('operation').selectAll().where('tenant_id', '=', tenantId);
    // Of one kind, the index gives the order too.
    const [kind, ...others] = filter.kinds ?? [];
    if (kind !== undefined && others.length === 0) query = query.where('kind', '=', kind);
    else if (filter.kinds !== undefined) query = query.where(sql<boolean>`kind = any(${[...filter.kinds]}::text[])`);
    if (filter.status !== undefined) query = query.where('status', '=', filter.status);
    if (filter.tag !== undefined) query = query.where(sql<boolean>`tags <> '{}' and tags @> array[${filter.tag}]::text[]`);
    if (filter.ownerSubject !== undefined) query = query.where('owner_subject', '=', filter.ownerSubject);
    if (filter.resources !== undefined) {
      query = query.where(
        sql<boolean>`array['operation/' || id, 'operation/' || root_id, kind || '/' || root_id] && ${[...filter.resources]}::text[]`,
      );
    }
    if (filter.createdAfter !== undefined) query = query.where('created_at', '>=', filter.createdAfter);
    if (filter.createdBefore !== undefined) query = query.where('created_at', '<', filter.createdBefore);
    if (filter.text !== undefined) {
      const pattern = `%${filter.text.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
      query = query.where(sql<boolean>`concat_ws(' ', id, natural_key, array_to_string(tags, ' '), metadata, input) ilike ${pattern}`);
    }
    if (page.cursor !== undefined) {
      query = query.where(sql<boolean>`(created_at, id) < (${page.cursor.createdAt}::timestamptz, ${page.cursor.id}::uuid)`);
    }
    return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
  });
}
