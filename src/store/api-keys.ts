import type { Kysely } from 'kysely';
import type { Actor, AuditStore } from './audit.ts';
import { type Tx, withTenant } from './database.ts';
import type { Database } from './schema.ts';
import { type ApiKeyRow, hashSecret, newSecret } from './system/api-keys.ts';

export interface CreateKeyRequest {
  readonly tenantId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: Date | undefined;
  readonly actor: Actor;
  readonly idempotency?: { readonly key: string; readonly digest: string } | undefined;
  readonly now: Date;
}

/** The secret is there only for a key that was made just now. */
export type CreatedKey =
  | { readonly outcome: 'created'; readonly key: ApiKeyRow; readonly secret: string }
  | { readonly outcome: 'replayed'; readonly key: ApiKeyRow }
  | { readonly outcome: 'mismatch' };

export interface KeyPage {
  readonly limit: number;
  readonly cursor?: { readonly createdAt: Date; readonly id: string } | undefined;
}

/** A tenant's keys. Looking up a key that was presented is in system/api-keys.ts. */
export function createApiKeysStore({ db, audit }: { readonly db: Kysely<Database>; readonly audit: AuditStore }) {
  async function create(request: CreateKeyRequest): Promise<CreatedKey> {
    const { tenantId, actor, now } = request;
    const { id, secret } = newSecret();
    return withTenant(db, tenantId, async (tx) => {
      const used = await claimIdempotency(tx, request, id);
      if (used !== undefined) return used;
      const key = await insertKey(tx, { ...request, id, secret });
      const after = { name: key.name, scopes: key.scopes, expiresAt: key.expires_at };
      await audit.record(tx, { ...actor, tenantId, at: now, action: 'api_key.created', target: `api_key/${id}`, after });
      return { outcome: 'created' as const, key, secret };
    });
  }

  /** Newest first, revoked ones too; the cursor is the last row of the page before. */
  async function list(tenantId: string, { limit, cursor }: KeyPage): Promise<ApiKeyRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('api_key').selectAll().where('tenant_id', '=', tenantId).where('kind', '=', 'key');
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
  async function revoke(request: { tenantId: string; id: string; actor: Actor; now: Date }): Promise<ApiKeyRow | undefined> {
    const { tenantId, id, actor, now } = request;
    return withTenant(db, tenantId, async (tx) => {
      const revoked = await tx
        .updateTable('api_key')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('tenant_id', '=', tenantId)
        .where('revoked_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (revoked === undefined) {
        return tx.selectFrom('api_key').selectAll().where('id', '=', id).where('tenant_id', '=', tenantId).executeTakeFirst();
      }
      await audit.record(tx, { ...actor, tenantId, at: now, action: 'api_key.revoked', target: `api_key/${id}` });
      return revoked;
    });
  }

  return { create, list, revoke };
}

/** Takes the idempotency key, or tells what it was taken for. */
async function claimIdempotency(tx: Tx, request: CreateKeyRequest, id: string): Promise<CreatedKey | undefined> {
  const { tenantId, idempotency, now } = request;
  if (idempotency === undefined) return undefined;
  const claimed = await tx
    .insertInto('idempotency')
    .values({
      tenant_id: tenantId,
      ...idempotency,
      status: 201,
      object_type: 'api_key',
      object_id: id,
      created_at: now,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'key']).doNothing())
    .returning('key')
    .executeTakeFirst();
  if (claimed !== undefined) return undefined;
  const first = await tx
    .selectFrom('idempotency')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('key', '=', idempotency.key)
    .executeTakeFirstOrThrow();
  if (first.digest !== idempotency.digest) return { outcome: 'mismatch' };
  return {
    outcome: 'replayed',
    key: await tx.selectFrom('api_key').selectAll().where('id', '=', first.object_id).executeTakeFirstOrThrow(),
  };
}

function insertKey(tx: Tx, request: CreateKeyRequest & { readonly id: string; readonly secret: string }): Promise<ApiKeyRow> {
  return tx
    .insertInto('api_key')
    .values({
      id: request.id,
      tenant_id: request.tenantId,
      kind: 'key',
      secret_hash: hashSecret(request.secret),
      name: request.name,
      scopes: [...request.scopes],
      subject: null,
      resources: null,
      created_at: request.now,
      expires_at: request.expiresAt ?? null,
      revoked_at: null,
      last_used_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}
