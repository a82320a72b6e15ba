import { type Kysely, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { Kind } from '../../contracts/kinds.ts';
import type { Actor } from '../audit.ts';
import { type Tx, withTenant } from '../database.ts';
import type { StartFieldValues } from '../operations.ts';
import type { Database } from '../schema.ts';
import { endKeeper } from './keepers.ts';
import { reserve, reservedOf, reserveDownTo, reserveUpTo } from './quota.ts';
import type { UploadRow } from './records.ts';
import type { FileParts } from './uploads.ts';

/** Which bytes are to come next, and who may write them. */
export interface LockRequest {
  readonly tenantId: string;
  readonly id: string;
  /** Where the request wants to go on. */
  readonly offsetBytes: number;
  /** Said now for the first time. */
  readonly lengthBytes: number | undefined;
  readonly leaseMs: number;
  readonly quotaBytes: number;
}

export type Locked =
  | {
      readonly outcome: 'locked';
      readonly lock: string;
      readonly upload: UploadRow;
      /** This request was the first to say how long the upload is. */
      readonly isLengthNew: boolean;
    }
  | { readonly outcome: 'busy' | 'other_offset' | 'other_length' | 'ended' | 'quota'; readonly upload: UploadRow }
  | { readonly outcome: 'missing' };

export interface CommitRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly lock: string;
  /** All before it is on disk. */
  readonly offsetBytes: number;
  readonly expiresAt: Date;
  readonly leaseMs: number;
  readonly quotaBytes: number;
}

export interface ReleaseRequest extends Omit<CommitRequest, 'leaseMs'> {
  /** Of the whole, where one process has seen all of it. */
  readonly sha256: string | undefined;
  /** Everything written was flushed or given up; else whoever comes next writes to a file of his own. */
  readonly isClean: boolean;
  /** The body was not what it should be: nothing of the request holds, and it is not the last of an upload. */
  readonly isRefused: boolean;
  /** The length was said by this request, and goes with it when it is refused. */
  readonly isLengthNew: boolean;
  /** The kind of the operation that follows when this was the last byte. */
  readonly kind: Kind;
  readonly actor: Actor;
  /** The whole length is known now. */
  readonly lengthBytes: number | undefined;
  readonly now: Date;
}

/** Who may write which bytes of an upload, and what follows after the last. */
export function createLocksStore(parts: FileParts) {
  return {
    lock: (request: LockRequest) => lock(parts.db, request),
    commit: (request: CommitRequest) => commit(parts.db, request),
    release: (request: ReleaseRequest) => release(parts, request),
    askRelease: (tenantId: string, id: string) => askRelease(parts.db, tenantId, id),
  };
}

/**
 * One conditional update decides who writes, over all processes. A lock whose time is up is taken over, and then the new holder gets a file
 * of his own: the old one may still be alive, and whatever it writes goes to its own file, behind what it had acknowledged.
 */
async function lock(db: Kysely<Database>, request: LockRequest): Promise<Locked> {
  const { tenantId, id, offsetBytes, lengthBytes = null, leaseMs } = request;
  const token = uuidv7();
  const result = await withTenant(db, tenantId, async (tx): Promise<Locked> => {
    const isLengthNew = lengthBytes !== null && (await hasNoLength(tx, id));
    const { rows } = await sql<{ id: string }>`
      update upload set
        lock = ${token}, lock_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1000}), release_asked = false,
        length_bytes = coalesce(length_bytes, ${lengthBytes}::bigint),
        segments = case
          when lock is null and segments <> '[]' then segments
          else (case when (segments->-1->>'firstByte')::bigint = offset_bytes then segments - (-1) else segments end)
            || jsonb_build_object('epoch', coalesce((segments->-1->>'epoch')::integer, 0) + 1, 'firstByte', offset_bytes)
        end
      where id = ${id} and state = 'open' and offset_bytes = ${offsetBytes}
        and (lock is null or lock_until <= clock_timestamp())
        and (${lengthBytes}::bigint is null or (coalesce(length_bytes, ${lengthBytes}::bigint) = ${lengthBytes}::bigint
          and ${lengthBytes}::bigint >= offset_bytes))
      returning id`.execute(tx);
    const upload = await tx.selectFrom('upload').selectAll().where('id', '=', id).executeTakeFirst();
    if (upload === undefined) return { outcome: 'missing' };
    if (rows.length === 0) return { outcome: whyNot(upload, offsetBytes), upload };
    // Said only now, so nothing was reserved for it before.
    const deltaBytes = lengthBytes === null ? 0 : lengthBytes - (await reservedOf(tx, id));
    if (deltaBytes <= 0 || (await reserve(tx, { tenantId, id, deltaBytes, quotaBytes: request.quotaBytes })))
      return { outcome: 'locked', lock: token, upload, isLengthNew };
    await tx.updateTable('upload').set({ lock: null, lock_until: null, length_bytes: null }).where('id', '=', id).execute();
    return { outcome: 'quota', upload };
  });
  return result;
}

/** Nobody says it before the transaction ends. */
async function hasNoLength(tx: Tx, id: string): Promise<boolean> {
  const upload = await tx.selectFrom('upload').select('length_bytes').where('id', '=', id).forUpdate().executeTakeFirst();
  return upload?.length_bytes === null;
}

function whyNot(upload: UploadRow, offsetBytes: number): 'busy' | 'other_offset' | 'other_length' | 'ended' {
  if (upload.state !== 'open') return 'ended';
  if (upload.offset_bytes !== offsetBytes) return 'other_offset';
  return upload.lock === null ? 'other_length' : 'busy';
}

export type Commitment =
  /** `stop`: somebody else wants to go on. */
  | { readonly outcome: 'held'; readonly isReleaseAsked: boolean }
  /** Somebody else holds the lock, or the upload has ended: nothing was acknowledged. */
  | { readonly outcome: 'lost' | 'quota' };

/** Acknowledges bytes that are on disk, and holds the lock for longer; refused when it is somebody else's by now. */
async function commit(db: Kysely<Database>, request: CommitRequest): Promise<Commitment> {
  const { tenantId, id, offsetBytes, leaseMs } = request;
  return withTenant(db, tenantId, async (tx) => {
    const held = await holdOf(tx, request);
    if (held === undefined) return { outcome: 'lost' };
    if (!(await reserveUpTo(tx, request))) {
      // What came is not acknowledged, and the next request writes over it.
      await tx.updateTable('upload').set({ lock: null, lock_until: null }).where('id', '=', id).execute();
      return { outcome: 'quota' };
    }
    await sql`update upload set offset_bytes = ${offsetBytes}, lock_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1000}),
      expires_at = ${request.expiresAt}, updated_at = clock_timestamp() where id = ${id}`.execute(tx);
    return { outcome: 'held', isReleaseAsked: held.release_asked };
  });
}

/** The row, when it is still open and this lock's; nobody takes it over before the transaction ends. */
function holdOf(tx: Tx, { id, lock: token }: { readonly id: string; readonly lock: string }): Promise<UploadRow | undefined> {
  return tx
    .selectFrom('upload')
    .selectAll()
    .where('id', '=', id)
    .where('lock', '=', token)
    .where('state', '=', 'open')
    .forUpdate()
    .executeTakeFirst();
}

export type Released =
  | { readonly outcome: 'open'; readonly upload: UploadRow }
  | { readonly outcome: 'complete'; readonly upload: UploadRow; readonly operationId: string }
  /** `lost`: somebody else writes, or has written all; `ended`: it was given up. */
  | { readonly outcome: 'lost' | 'ended' | 'quota' };

/** Acknowledges the last bytes of a request and gives the lock back. The last byte of all starts the check in the same transaction. */
async function release(parts: FileParts, request: ReleaseRequest): Promise<Released> {
  const { tenantId, id, offsetBytes, isClean, isRefused } = request;
  const isTakenBack = isRefused && request.isLengthNew;
  const released = await withTenant(parts.db, tenantId, async (tx): Promise<Released> => {
    const held = await holdOf(tx, request);
    if (held === undefined) return { outcome: (await isGivenUp(tx, id)) ? 'ended' : 'lost' };
    if (!(await reserveUpTo(tx, request))) {
      // What came is not acknowledged, and the next request writes over it.
      await tx.updateTable('upload').set({ lock: null, lock_until: null }).where('id', '=', id).execute();
      return { outcome: 'quota' };
    }
    const lengthBytes = isTakenBack ? null : (held.length_bytes ?? request.lengthBytes ?? null);
    const isComplete = isClean && !isRefused && lengthBytes === offsetBytes;
    if (isTakenBack) await reserveDownTo(tx, request);
    const upload = await tx
      .updateTable('upload')
      .set({
        state: isComplete ? 'complete' : 'open',
        offset_bytes: offsetBytes,
        length_bytes: lengthBytes,
        sha256: isComplete ? (request.sha256 ?? null) : null,
        // Kept, but for no longer: who comes next takes it over, and writes to a file of his own.
        lock: isClean ? null : held.lock,
        lock_until: isClean ? null : request.now,
        release_asked: false,
        expires_at: request.expiresAt,
        updated_at: request.now,
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    if (!isComplete) return { outcome: 'open', upload };
    return { outcome: 'complete', upload, operationId: await startCheck(tx, parts, request) };
  });
  if (released.outcome === 'complete') parts.bridge.wake();
  return released;
}

/** Nobody goes on with it. Its row goes with its bytes. */
async function isGivenUp(tx: Tx, id: string): Promise<boolean> {
  const upload = await tx.selectFrom('upload').select('state').where('id', '=', id).executeTakeFirst();
  return upload === undefined || upload.state === 'terminated' || upload.state === 'expired';
}

/** All bytes are here: the file is checked, and nobody keeps the upload's time any more. */
async function startCheck(tx: Tx, { operations }: FileParts, request: ReleaseRequest): Promise<string> {
  const { tenantId, id, kind, actor, now } = request;
  const file = await tx.selectFrom('file').select(['owner_subject', 'start_fields']).where('id', '=', id).executeTakeFirstOrThrow();
  const operationId = await operations.acceptIn(tx, {
    tenantId,
    kind,
    input: { fileId: id },
    start: startOf(file.start_fields),
    actor,
    ownerSubject: file.owner_subject ?? undefined,
    now,
  });
  await tx
    .updateTable('file')
    .set({ state: 'checking', size_bytes: request.offsetBytes, operation_id: operationId, updated_at: now })
    .where('id', '=', id)
    .execute();
  await endKeeper(tx, { tenantId, fileId: id, kind: 'upload' }, now);
  return operationId;
}

/** As `create` has stored them. */
function startOf(fields: Readonly<Record<string, unknown>>): StartFieldValues {
  const { startAt, expiresAt, ...rest } = fields;
  const dates = Object.entries({ startAt, expiresAt }).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, new Date(value)] as const] : [],
  );
  return { ...rest, ...Object.fromEntries(dates) };
}

/** Whoever writes should stop soon, because somebody wants to go on. */
async function askRelease(db: Kysely<Database>, tenantId: string, id: string): Promise<void> {
  await withTenant(db, tenantId, (tx) =>
    tx.updateTable('upload').set({ release_asked: true }).where('id', '=', id).where('lock', 'is not', null).execute(),
  );
}
