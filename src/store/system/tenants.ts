import { type Kysely, type Selectable, type Transaction, sql } from 'kysely';
import type { Actor, AuditStore } from '../audit.ts';
import type { Database } from '../schema.ts';

export type TenantRow = Selectable<Database['tenant']>;

export interface PutTenantRequest {
  readonly id: string;
  readonly name: string;
  readonly actor: Actor;
  readonly now: Date;
}

/** Tenants belong to no tenant, so they are written with the system role. A closed tenant looks like none until it is put again. */
export function createSystemTenantsStore(system: Kysely<Database>, audit: AuditStore) {
  /** Makes, renames or reopens a tenant. */
  async function put({ id, name, actor, now }: PutTenantRequest): Promise<{ readonly created: boolean; readonly tenant: TenantRow }> {
    return system.transaction().execute(async (tx) => {
      const before = await tx.selectFrom('tenant').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
      const tenant = await tx
        .insertInto('tenant')
        .values({ id, name, created_at: now, updated_at: now, deleted_at: null })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ name, updated_at: now, deleted_at: null }))
        .returningAll()
        .executeTakeFirstOrThrow();
      const isNew = before === undefined || before.deleted_at !== null;
      await actForTenant(tx, id);
      await audit.record(tx, {
        ...actor,
        tenantId: id,
        at: now,
        action: isNew ? 'tenant.created' : 'tenant.changed',
        target: `tenant/${id}`,
        after: { name },
        ...(before === undefined ? {} : { before: { name: before.name } }),
      });
      return { created: isNew, tenant };
    });
  }

  /** Only open tenants. */
  async function get(id: string): Promise<TenantRow | undefined> {
    return system.selectFrom('tenant').selectAll().where('id', '=', id).where('deleted_at', 'is', null).executeTakeFirst();
  }

  /** By id; `after` is the last one of the page before. */
  async function list({ limit, after }: { limit: number; after?: string | undefined }): Promise<TenantRow[]> {
    let query = system.selectFrom('tenant').selectAll().where('deleted_at', 'is', null);
    if (after !== undefined) query = query.where('id', '>', after);
    return query.orderBy('id').limit(limit).execute();
  }

  /** Its keys stop working at once; its data stays. False: there is no open one. */
  async function close({ id, actor, now }: { id: string; actor: Actor; now: Date }): Promise<boolean> {
    return system.transaction().execute(async (tx) => {
      const closed = await tx
        .updateTable('tenant')
        .set({ deleted_at: now, updated_at: now })
        .where('id', '=', id)
        .where('deleted_at', 'is', null)
        .returning('id')
        .executeTakeFirst();
      if (closed === undefined) return false;
      await actForTenant(tx, id);
      await audit.record(tx, { ...actor, tenantId: id, at: now, action: 'tenant.closed', target: `tenant/${id}` });
      return true;
    });
  }

  return { put, get, list, close };
}

/** The audit row is the tenant's own, and only the app role may write it; the transaction goes on as that role. */
async function actForTenant(tx: Transaction<Database>, tenantId: string): Promise<void> {
  await sql`set local role nightshift_app`.execute(tx);
  await sql`select set_config('app.tenant', ${tenantId}, true)`.execute(tx);
}
