import type { Kysely, Selectable } from 'kysely';
import type { UserContent } from '../contracts/users.ts';
import type { Actor, AuditStore } from './audit.ts';
import { withTenant } from './database.ts';
import type { Database } from './schema.ts';

export type UserRow = Selectable<Database['app_user']>;

interface UserRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly actor: Actor;
  readonly now: Date;
}

interface PutUserRequest extends UserRequest {
  readonly content: UserContent;
}

/** The host application's users, as far as features need them: where to reach them, and when they sleep. */
export function createUsersStore({ db, audit }: { readonly db: Kysely<Database>; readonly audit: AuditStore }) {
  /** Replaces the whole user. The audit row holds hashes under the user's own key. */
  async function put(request: PutUserRequest): Promise<{ readonly created: boolean; readonly user: UserRow }> {
    const { tenantId, id, content, actor, now } = request;
    return withTenant(db, tenantId, async (tx) => {
      const before = await tx
        .selectFrom('app_user')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .forUpdate()
        .executeTakeFirst();
      const values = columnsOf(content, now);
      const user = await tx
        .insertInto('app_user')
        .values({ tenant_id: tenantId, id, created_at: now, ...values })
        .onConflict((conflict) => conflict.columns(['tenant_id', 'id']).doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      await audit.record(tx, {
        ...actor,
        tenantId,
        at: now,
        action: before === undefined ? 'user.created' : 'user.changed',
        target: `user/${id}`,
        subject: id,
        after: content,
        ...(before === undefined ? {} : { before: contentOf(before) }),
      });
      return { created: before === undefined, user };
    });
  }

  async function get(tenantId: string, id: string): Promise<UserRow | undefined> {
    return withTenant(db, tenantId, (tx) =>
      tx.selectFrom('app_user').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id).executeTakeFirst(),
    );
  }

  /** By id; `after` is the last one of the page before. */
  async function list(tenantId: string, { limit, after }: { limit: number; after?: string | undefined }): Promise<UserRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('app_user').selectAll().where('tenant_id', '=', tenantId);
      if (after !== undefined) query = query.where('id', '>', after);
      return query.orderBy('id').limit(limit).execute();
    });
  }

  /** Gone for good. False: there was none. */
  async function remove({ tenantId, id, actor, now }: UserRequest): Promise<boolean> {
    return withTenant(db, tenantId, async (tx) => {
      const removed = await tx
        .deleteFrom('app_user')
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst();
      if (removed === undefined) return false;
      const before = contentOf(removed);
      await audit.record(tx, { ...actor, tenantId, at: now, action: 'user.removed', target: `user/${id}`, subject: id, before });
      return true;
    });
  }

  return { put, get, list, remove };
}

function columnsOf(content: UserContent, now: Date) {
  return {
    email: content.email ?? null,
    time_zone: content.timeZone ?? null,
    locale: content.locale ?? null,
    attributes: JSON.stringify(content.attributes),
    updated_at: now,
  };
}

function contentOf(row: UserRow): object {
  return {
    email: row.email ?? undefined,
    timeZone: row.time_zone ?? undefined,
    locale: row.locale ?? undefined,
    attributes: row.attributes,
  };
}
