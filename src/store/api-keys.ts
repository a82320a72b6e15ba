import type { Kysely } from 'kysely';
import type { Actor, AuditStore } from './audit.ts';
import { type Tx, withTenant } from './database.ts';
import { claimIdempotency } from './idempotency.ts';
import type { ApiKeyKind, Database } from './schema.ts';
import { type ApiKeyRow, hashSecret, newSecret } from './system/api-keys.ts';

export interface CreateKeyRequest {
  readonly tenantId: string;
  /** Default `key`. */
  readonly kind?: Exclude<ApiKeyKind, 'platform'>;
  readonly name: string;
  readonly scopes: readonly string[];
  /** The end user whom a token stands for. */
  readonly subject?: string | undefined;
  /** All that a token may reach; without them, all that is its subject's. */
  readonly resources?: readonly string[] | undefined;
  readonly expiresAt?: Date | undefined;
  /** The key that this one ends with. */
  readonly madeBy?: string | undefined;
  readonly actor: Actor;
  readonly idempotency?: { readonly key: string; readonly digest: string } | undefined;
  readonly now: Date;
}

/** The secret is there only for a key that was made just now. */
export type CreatedKey =
  | { readonly outcome: 'created'; readonly key: ApiKeyRow; readonly secret: string }
  | { readonly outcome: 'replayed'; readonly key: ApiKeyRow }
  | { readonly outcome: 'mismatch' };

export interface KeyFilter {
  readonly kind: 'key' | 'token' | 'session';
  readonly subject?: string | undefined;
}

export interface KeyPage {
  readonly limit: number;
  readonly cursor?: { readonly createdAt: Date; readonly id: string } | undefined;
}

export interface RevokeKeyRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly kind: 'key' | 'token' | 'session';
  readonly actor: Actor;
  readonly now: Date;
}

export interface RedeemLinkRequest {
  /** As the look-up of the presented link gave it. */
  readonly link: ApiKeyRow & { readonly tenant_id: string };
  readonly expiresAt: Date;
  readonly now: Date;
}

interface Parts {
  readonly db: Kysely<Database>;
  readonly audit: AuditStore;
}

/** What audit rows call them. */
const OBJECTS = { key: 'api_key', token: 'token', session_link: 'session_link', session: 'session' } as const;

/** A tenant's keys, and the tokens and sessions that they made. Looking up what was presented is in system/api-keys.ts. */
export function createApiKeysStore({ db, audit }: Parts) {
  async function create(request: CreateKeyRequest): Promise<CreatedKey> {
    const { id, secret } = newSecret(request.kind);
    return withTenant(db, request.tenantId, async (tx) => {
      const used = await claimIdempotency(tx, {
        ...request,
        idempotency: request.idempotency,
        object: { type: OBJECTS[request.kind ?? 'key'], id },
      });
      if (used?.outcome === 'mismatch') return used;
      if (used !== undefined) return { outcome: used.outcome, key: await readKey(tx, used.objectId) };
      const key = await insertKey(tx, { ...request, id, secret });
      await recordCreated(tx, audit, { ...request, id });
      return { outcome: 'created' as const, key, secret };
    });
  }

  /** Newest first, revoked ones too; the cursor is the last row of the page before. */
  async function list(tenantId: string, { kind, subject }: KeyFilter, { limit, cursor }: KeyPage): Promise<ApiKeyRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('api_key').selectAll().where('tenant_id', '=', tenantId).where('kind', '=', kind);
      if (subject !== undefined) query = query.where('subject', '=', subject);
      if (cursor !== undefined) {
        const { createdAt, id } = cursor;
        query = query.where((where) =>
          where.or([where('created_at', '<', createdAt), where.and([where('created_at', '=', createdAt), where('id', '<', id)])]),
        );
      }
      return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    });
  }

  /** Safe to repeat: the first revocation stays. Every process sees it within half a second. */
  async function revoke({ tenantId, id, kind, actor, now }: RevokeKeyRequest): Promise<ApiKeyRow | undefined> {
    return withTenant(db, tenantId, async (tx) => {
      const revoked = await tx
        .updateTable('api_key')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('tenant_id', '=', tenantId)
        .where('kind', '=', kind)
        .where('revoked_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (revoked === undefined) {
        const rows = tx.selectFrom('api_key').selectAll().where('id', '=', id).where('tenant_id', '=', tenantId).where('kind', '=', kind);
        return rows.executeTakeFirst();
      }
      const object = OBJECTS[kind];
      await audit.record(tx, { ...actor, tenantId, at: now, action: `${object}.revoked`, target: `${object}/${id}` });
      return revoked;
    });
  }

  return { create, list, revoke, redeemLink: (request: RedeemLinkRequest) => redeemLink({ db, audit }, request) };
}

/** Turns a link into a session with the same rights, once: whoever comes second gets undefined. */
async function redeemLink(
  { db, audit }: Parts,
  { link, expiresAt, now }: RedeemLinkRequest,
): Promise<{ readonly secret: string } | undefined> {
  const { tenant_id: tenantId, id: linkId, scopes } = link;
  const { id, secret } = newSecret('session');
  return withTenant(db, tenantId, async (tx) => {
    const used = await tx
      .updateTable('api_key')
      .set({ revoked_at: now })
      .where('id', '=', linkId)
      .where('kind', '=', 'session_link')
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', now)
      .returning('id')
      .executeTakeFirst();
    if (used === undefined) return undefined;
    const actor = { actor: `session_link:${linkId}`, keyId: linkId };
    const request = {
      tenantId,
      kind: 'session' as const,
      name: 'session',
      scopes,
      expiresAt,
      madeBy: link.made_by ?? undefined,
      actor,
      now,
    };
    await insertKey(tx, { ...request, id, secret });
    await recordCreated(tx, audit, { ...request, id });
    return { secret };
  });
}

async function recordCreated(tx: Tx, audit: AuditStore, request: CreateKeyRequest & { readonly id: string }): Promise<void> {
  const { tenantId, id, kind = 'key', name, scopes, subject, resources, expiresAt, actor, now } = request;
  const object = OBJECTS[kind];
  await audit.record(tx, {
    ...actor,
    tenantId,
    at: now,
    action: `${object}.created`,
    target: `${object}/${id}`,
    ...(subject === undefined ? {} : { subject }),
    after: { name, scopes, subject, resources, expiresAt: expiresAt ?? null },
  });
}

function readKey(tx: Tx, id: string): Promise<ApiKeyRow> {
  return tx.selectFrom('api_key').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

function insertKey(tx: Tx, request: CreateKeyRequest & { readonly id: string; readonly secret: string }): Promise<ApiKeyRow> {
  return tx
    .insertInto('api_key')
    .values({
      id: request.id,
      tenant_id: request.tenantId,
      kind: request.kind ?? 'key',
      secret_hash: hashSecret(request.secret),
      name: request.name,
      scopes: [...request.scopes],
      subject: request.subject ?? null,
      resources: request.resources === undefined ? null : [...request.resources],
      created_at: request.now,
      expires_at: request.expiresAt ?? null,
      revoked_at: null,
      last_used_at: null,
      made_by: request.madeBy ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}
