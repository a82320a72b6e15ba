import { createHash, randomBytes } from 'node:crypto';
import { type Kysely, type Selectable, sql } from 'kysely';
import { uuidv7 } from 'uuidv7';
import type { EmailContent } from '../contracts/email.ts';
import type { OperationRef } from '../contracts/pure/operations.ts';
import type { Actor, AuditStore } from './audit.ts';
import { withTenant } from './database.ts';
import type { OperationRow, PageRequest } from './operations.ts';
import type { Database } from './schema.ts';

const SECRET_BYTES = 32;

export type SuppressionRow = Selectable<Database['suppression']>;

/** One attempt at a mail, and whom it was for. */
export interface EmailAttempt extends Pick<OperationRow, 'status' | 'created_at'> {
  readonly recipients: Pick<EmailContent, 'to' | 'cc' | 'bcc'>;
}

interface SuppressionRequest {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly now: Date;
}

export interface SuppressRequest extends SuppressionRequest {
  /** In small letters. */
  readonly address: string;
  readonly scope: SuppressionRow['scope'];
  readonly reason: SuppressionRow['reason'];
  readonly expiresAt?: Date | undefined;
}

/** Who gets no mail. Sending looks these up itself, in the transactions that claim and begin an effect. */
export function createEmailStore({ db, audit }: { readonly db: Kysely<Database>; readonly audit: AuditStore }) {
  /** From the moment this returns nothing is begun any more that would reach the address. Replaces what its scope had. */
  async function suppress(request: SuppressRequest): Promise<{ readonly created: boolean; readonly suppression: SuppressionRow }> {
    const { tenantId, address, scope, reason, expiresAt = null, actor, now } = request;
    return withTenant(db, tenantId, async (tx) => {
      await sql`select lock_address(${tenantId}, ${address}, false)`.execute(tx);
      const id = uuidv7();
      const values = { reason, expires_at: expiresAt, updated_at: now };
      const suppression = await tx
        .insertInto('suppression')
        .values({ id, tenant_id: tenantId, address, scope, created_at: now, ...values })
        .onConflict((conflict) => conflict.columns(['tenant_id', 'address', 'scope']).doUpdateSet(values))
        .returningAll()
        .executeTakeFirstOrThrow();
      const created = suppression.id === id;
      await audit.record(tx, {
        ...actor,
        tenantId,
        at: now,
        action: created ? 'suppression.created' : 'suppression.changed',
        target: `suppression/${suppression.id}`,
        after: { address, scope, reason, expiresAt },
      });
      return { created, suppression };
    });
  }

  /** What holds for an address now and for bulk: of both scopes. */
  async function isSuppressed(tenantId: string, address: string, now: Date): Promise<boolean> {
    return withTenant(db, tenantId, async (tx) => {
      const reaches = JSON.stringify({ address, bulk: true });
      const { rows } = await sql<{ found: boolean }>`select is_suppressed(${tenantId}, ${reaches}::jsonb, ${now}) as found`.execute(tx);
      return rows[0]?.found === true;
    });
  }

  /** Newest first; those that have expired too. */
  async function listSuppressions(tenantId: string, page: PageRequest, address?: string): Promise<SuppressionRow[]> {
    return withTenant(db, tenantId, (tx) => {
      let query = tx.selectFrom('suppression').selectAll().where('tenant_id', '=', tenantId);
      if (address !== undefined) query = query.where('address', '=', address);
      if (page.cursor !== undefined)
        query = query.where(sql<boolean>`(created_at, id) < (${page.cursor.createdAt}::timestamptz, ${page.cursor.id}::uuid)`);
      return query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
    });
  }

  /** False: there was none. */
  async function removeSuppression(request: SuppressionRequest & { readonly id: string }): Promise<boolean> {
    const { tenantId, id, actor, now } = request;
    return withTenant(db, tenantId, async (tx) => {
      const removed = await tx.deleteFrom('suppression').where('id', '=', id).returningAll().executeTakeFirst();
      if (removed === undefined) return false;
      const { address, scope, reason } = removed;
      const target = `suppression/${id}`;
      await audit.record(tx, { ...actor, tenantId, at: now, action: 'suppression.removed', target, before: { address, scope, reason } });
      return true;
    });
  }

  return { suppress, isSuppressed, listSuppressions, removeSuppression, ...createUnsubscribeSecrets(db), ...createMails(db) };
}

/** Secrets behind the links by which recipients say that they want no more. */
function createUnsubscribeSecrets(db: Kysely<Database>) {
  const secrets = new Map<string, Buffer>();

  /** What the tenant's unsubscribe links are sealed with; made at first use, then kept for good. */
  async function unsubscribeSecret(tenantId: string): Promise<Buffer> {
    const known = secrets.get(tenantId);
    if (known !== undefined) return known;
    const secret = await withTenant(db, tenantId, async (tx) => {
      await tx
        .insertInto('email_secret')
        .values({ tenant_id: tenantId, secret: randomBytes(SECRET_BYTES), created_at: new Date() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return tx.selectFrom('email_secret').select('secret').where('tenant_id', '=', tenantId).executeTakeFirstOrThrow();
    });
    secrets.set(tenantId, secret.secret);
    return secret.secret;
  }

  /** The same, without making one for a tenant that somebody only names. */
  async function findUnsubscribeSecret(tenantId: string): Promise<Buffer | undefined> {
    const found = await withTenant(db, tenantId, (tx) =>
      tx.selectFrom('email_secret').select('secret').where('tenant_id', '=', tenantId).executeTakeFirst(),
    );
    return found?.secret;
  }

  return { unsubscribeSecret, findUnsubscribeSecret };
}

/** Whom mails were for, and the bytes that they carry, by their hash. */
function createMails(db: Kysely<Database>) {
  /** Whom each attempt at a mail was for, the latest first. */
  function attempts(tenantId: string, rootId: string): Promise<EmailAttempt[]> {
    return withTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('operation')
        .select(['status', 'created_at'])
        // The rest of an input may be long.
        .select(
          sql<EmailAttempt['recipients']>`jsonb_build_object('to', input->'to', 'cc', input->'cc', 'bcc', input->'bcc')`.as('recipients'),
        )
        .where('tenant_id', '=', tenantId)
        .where('root_id', '=', rootId)
        .orderBy('attempt', 'desc')
        .execute(),
    );
  }

  /** Keeps what is not there yet. Safe to repeat. */
  async function keepAttachments(tenantId: string, contents: readonly Buffer[], now: Date): Promise<string[]> {
    const rows = contents.map((content) => ({
      tenant_id: tenantId,
      sha256: createHash('sha256').update(content).digest('hex'),
      content,
      created_at: now,
    }));
    await withTenant(db, tenantId, (tx) =>
      tx
        .insertInto('email_attachment')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
    return rows.map((row) => row.sha256);
  }

  async function attachments(tenantId: string, hashes: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    if (hashes.length === 0) return new Map();
    const rows = await withTenant(db, tenantId, (tx) =>
      tx
        .selectFrom('email_attachment')
        .select(['sha256', 'content'])
        .where('sha256', 'in', [...new Set(hashes)])
        .execute(),
    );
    return new Map(rows.map((row) => [row.sha256, row.content]));
  }

  /** Completes a mail that is made when it is sent. Who comes first decides, also for whoever comes later. */
  async function keepMade({ tenantId, operationId }: OperationRef, made: EmailContent): Promise<EmailContent> {
    return withTenant(db, tenantId, async (tx) => {
      const { input } = await tx
        .updateTable('operation')
        .set({ input: sql`case when input ? 'subject' then input else ${JSON.stringify(made)}::jsonb end` })
        .where('id', '=', operationId)
        .returning('input')
        .executeTakeFirstOrThrow();
      // Either this one, or what another attempt made in the same way.
      return input as EmailContent;
    });
  }

  return { attempts, keepAttachments, attachments, keepMade };
}
